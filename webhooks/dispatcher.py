"""From stored alarms to flow runs: exactly one run for an incident, and no alarm lost.

1. place: in one ledger transaction every stored alarm gets the key of its episode (rules/triggers.py)
2. ask:   POST the run with that key as its idempotency key, until Prefect answers
3. mark:  write the run's id to every alarm of the episode

A death between any two of these, or a second receiver on the same ledger, repeats a step with the same key,
and Prefect answers with the same run. One dispatcher per process works them off one after the other: Prefect
on SQLite refuses writers that come at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ledger import alarms, episodes
from ledger.alarms import Pair
from ledger.database import Ledger
from ledger.episodes import Asked, Awaited
from rules.errors import RecoveryRefused
from rules.triggers import Placement, Standing, correlate
from webhooks.metrics import Figures
from webhooks.paging import Pager
from webhooks.prefect_api import PrefectApi, PrefectAway, RunRefused

log = logging.getLogger("backstop.webhooks")
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
SHORTEST_REST, LONGEST_REST = 0.05, 0.5
"""Seconds between two turns, three times as long as a turn took: in a storm the alarms of that time are placed
together and taking them in has most of the machine. The first alarm never waits."""
_SETTLING = timedelta(seconds=3)
"""A run this young is not asked about: it is about to open its incident."""
_WATCHED = timedelta(hours=1)


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


class Dispatcher:
    """The one dispatcher of this process. `wake` it after every commit to the inbox."""

    def __init__(
        self,
        ledger: Ledger,
        prefect: PrefectApi,
        pager: Pager,
        figures: Figures,
        *,
        cooldown: timedelta,
        sweep_seconds: float,
        page_after: timedelta,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._prefect = prefect
        self._pager = pager
        self._figures = figures
        self._cooldown = cooldown
        self._sweep_seconds = sweep_seconds
        self._page_after = page_after
        self._now = now
        self._wake = asyncio.Event()
        self._stopping = False
        self._opened: set[str] = set()  # runs that ended well without opening an incident: nothing to tell
        self.turned_at = self._now()
        """When the loop last came round; it must not fall behind for long."""

    def wake(self) -> None:
        """There is something new in the ledger."""
        self._wake.set()

    def stop(self) -> None:
        """End after the turn that is under way; what is not dispatched stays stored."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Dispatch until stopped. At once when woken, after a growing pause when something was away."""
        pause = 0.0
        while not self._stopping:
            self.turned_at, began = self._now(), time.monotonic()
            worked = await self._turn()
            rest = min(max(3 * (time.monotonic() - began), SHORTEST_REST), LONGEST_REST)
            pause = 0.0 if worked else min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
            await asyncio.sleep(pause or rest)
            if pause:
                continue
            try:
                await asyncio.wait_for(self._wake.wait(), self._sweep_seconds)
            except TimeoutError:
                await self._watch()
            self._wake.clear()

    async def _turn(self) -> bool:
        try:
            self._wake.clear()
            results = [await self._dispatch(pair) for pair in await asyncio.to_thread(self._waiting)]
        except RecoveryRefused as error:
            log.warning("the ledger: %s", error)
            return False
        except Exception:
            log.exception("dispatching failed; it is tried again")
            return False
        return all(results)

    def _waiting(self) -> list[Pair]:
        with self._ledger.reading() as session:
            return alarms.waiting(session)

    async def _dispatch(self, pair: Pair) -> bool:
        try:
            over = await self._runs_over(pair)
        except PrefectAway as error:
            log.warning("%s in %s waits: %s", pair.scenario, pair.environment, error)
            await self._page_if_late(pair, error)
            return False
        asked = await asyncio.to_thread(
            episodes.place, self._ledger, pair, self._now(), self._judge(pair), runs_over=over
        )
        return all([await self._ask(pair, one) for one in asked])

    async def _runs_over(self, pair: Pair) -> frozenset[str]:
        """The awaited run of this pair, if it is over. Alarms must not join a run that is dead."""

        def awaited() -> Awaited | None:
            with self._ledger.reading() as session:
                return episodes.standing(session, pair, self._now())[1]

        found = await asyncio.to_thread(awaited)
        if found is None or self._now() - found.dispatched_at < _SETTLING:
            return frozenset()
        return frozenset({found.flow_run_id} if await self._prefect.ended_as(found.flow_run_id) else ())

    def _judge(self, pair: Pair) -> episodes.Judge:
        def judge(alarm: str, at: datetime, matter: str, standing: Standing) -> Placement | None:
            return correlate(alarm, at, pair.scenario, pair.environment, standing, self._cooldown, matter)

        return judge

    async def _ask(self, pair: Pair, asked: Asked) -> bool:
        try:
            run, is_new = await self._prefect.create_run(
                pair.scenario, pair.environment, asked.run_parameters, asked.key
            )
        except PrefectAway as error:
            self._figures.dispatches.labels("retried").inc()
            await asyncio.to_thread(alarms.count_attempt, self._ledger, asked.key, str(error))
            if self._now() - asked.received_at > self._page_after:
                await self._page(pair, asked.key, f"The alarm {asked.name} still waits for its run: {error}")
            return False
        except RunRefused as error:
            self._figures.dispatches.labels("failed").inc()
            await self._page(pair, asked.key, f"The alarm {asked.name} starts nothing: {error}")
            await asyncio.to_thread(alarms.mark_failed, self._ledger, asked.key, str(error))
            return True
        now = self._now()
        settled = await asyncio.to_thread(alarms.mark_dispatched, self._ledger, asked.key, run, now)
        self._figures.dispatches.labels("created" if is_new else "repeated").inc()
        self._figures.dispatch_seconds.observe((now - asked.received_at).total_seconds())
        log.info("%s in %s: run %s for %d alarm(s)", pair.scenario, pair.environment, run, settled)
        return True

    async def _page_if_late(self, pair: Pair, error: PrefectAway) -> None:
        def oldest() -> datetime | None:
            with self._ledger.reading() as session:
                return alarms.oldest_waiting(session, pair)

        since = await asyncio.to_thread(oldest)
        if since is not None and self._now() - since > self._page_after:
            text = f"An alarm of {since:%H:%M:%S} UTC still waits: {error}"
            await self._page(pair, f"{pair} {since}", text)

    async def _watch(self) -> None:
        """Find runs that ended badly before they opened an incident: nobody else would tell of them."""

        def awaited() -> list[Awaited]:
            with self._ledger.reading() as session:
                return episodes.awaited_runs(session, self._now(), _WATCHED)

        try:
            for one in await asyncio.to_thread(awaited):
                if one.flow_run_id in self._opened or self._now() - one.dispatched_at < _SETTLING:
                    continue
                ended = await self._prefect.ended_as(one.flow_run_id)
                if ended == "COMPLETED":
                    self._opened.add(one.flow_run_id)
                elif ended:
                    error = f"its flow run {one.flow_run_id} ended as {ended} before it opened an incident"
                    await self._page(one.pair, f"{one.key} died", f"An alarm started nothing: {error}.")
                    await asyncio.to_thread(alarms.mark_died, self._ledger, one.key, error)
                    self._figures.dispatches.labels("died").inc()
        except (PrefectAway, RecoveryRefused) as error:
            log.warning("runs cannot be looked after now: %s", error)
        except Exception:
            log.exception("looking after runs failed; it is tried again")

    async def _page(self, pair: Pair, subject: str, text: str) -> None:
        await self._pager.page(
            subject, f"Backstop: {pair.scenario} in {pair.environment} is not started", text
        )
