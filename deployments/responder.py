"""The responder: one pre-imported process per host that picks up due runs of our deployments at once.

Whoever made them (a form, a webhook, a schedule, a resume): it looks a few times a second, takes what is
due, and hands each to a warm spare process of its own. Of several responders only one gets a run: the server
decides. It may be killed: its runs go on, and the next responder on this host inherits them.

`python -m deployments.responder` runs one until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from blocks.settings import settings
from deployments.carriers import Carrier, Spares
from deployments.claims import Claim, Claims

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

    from deployments.runs import Runs

log = logging.getLogger("backstop.responder")

TAGS = ("backstop", "responder")
"""What a deployment must carry to be served by a responder."""


READY = "ready"
"""The file in the responder's folder that holds its process id once it can run what is due."""

_SPARE_LATER_SECONDS = 1.0


class ResponderSettings(BaseSettings):
    """How a responder works, read from BACKSTOP_RESPONDER_* variables. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="BACKSTOP_RESPONDER_", env_ignore_empty=True, frozen=True)

    poll_seconds: float = Field(default=0.2, gt=0, le=5, description="Between two looks for due runs.")
    processes: int = Field(default=16, ge=1, le=200, description="Runs carried out at the same time.")
    cancel_grace_seconds: float = Field(
        default=120.0, ge=0, description="For a cancelled run to clean up before it is killed."
    )
    stop_grace_seconds: float = Field(
        default=15.0, ge=0, description="For the runs to end when the responder is stopped."
    )
    refresh_seconds: float = Field(default=15.0, gt=0, description="Between two looks at the deployments.")


class Responder:
    """Serves the deployments that carry `tags`, with the flow modules of `preload` imported beforehand."""

    def __init__(
        self,
        preload: Sequence[str],
        *,
        tags: tuple[str, ...] = TAGS,
        folder: Path | None = None,
        how: ResponderSettings | None = None,
    ) -> None:
        self.how = how or ResponderSettings()
        self._tags = tags
        self._spares = Spares(preload)
        self._folder = folder or settings().home / "responder"
        self._claims = Claims(self._folder)
        self._carriers: dict[UUID, Carrier] = {}
        self._stopping = asyncio.Event()
        self._looked_at_deployments = float("-inf")
        self._is_connected = True
        self._is_shown = False

    def stop(self) -> None:
        """Take no more runs, end those that run, and return from `serve`."""
        self._stopping.set()

    async def serve(self) -> None:
        """Look for due runs until stopped."""
        from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

        from deployments.runs import Runs

        # Prefect's client would sit on a failed call for seconds; the next look is a try of its own.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            async with contextlib.AsyncExitStack() as stack:
                client = await self._connected(stack)
                if client is None:
                    return
                runs = Runs(client, self._tags)
                while not self._stopping.is_set():
                    await self._look_once(runs)
                    self._show_ready()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wait_for_an_end(), self.how.poll_seconds)
                await self._wind_down(runs)
        self._spares.close()

    async def _connected(self, stack: contextlib.AsyncExitStack) -> PrefectClient | None:
        """A client of the server, once there is one that answers; None when we are stopped before."""
        from prefect.client.orchestration import get_client

        while not self._stopping.is_set():
            try:
                return await stack.enter_async_context(get_client())
            except (RuntimeError, OSError):  # RuntimeError is how Prefect says that nobody answers
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self.how.poll_seconds)
        return None

    def _show_ready(self) -> None:
        """Write down, once, that this process has asked the server and can run what is due."""
        if self._is_connected and not self._is_shown:
            self._spares.prepare()
            log.info("Responder ready (pid %d), looking every %g s.", os.getpid(), self.how.poll_seconds)
            (self._folder / READY).write_text(str(os.getpid()), encoding="utf-8")
            self._is_shown = True

    async def _look_once(self, runs: Runs) -> None:
        """One round. A server that is away, or an answer that is wrong, must not end the responder."""
        try:
            await self._settle_the_ended(runs)
            await self._inherit()
            # Until our deployments are registered, their first sight is what somebody waits for.
            every = self.how.refresh_seconds if runs.has_deployments else 0.5
            if time.monotonic() - self._looked_at_deployments > every:
                await runs.look_at_deployments()
                self._looked_at_deployments = time.monotonic()
            await self._take_due(runs)
            await self._cancel(runs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may go well
            if self._is_connected:
                log.warning("The Prefect server cannot be asked: %r. Trying on.", error)
            self._is_connected = False
            await asyncio.sleep(self.how.poll_seconds)
        else:
            if not self._is_connected:
                log.info("The Prefect server answers again.")
            self._is_connected = True

    async def _take_due(self, runs: Runs) -> None:
        free = self.how.processes - len(self._carriers)
        if free <= 0:
            return
        for run in await runs.due(limit=free):
            if run.id not in self._carriers:
                await self._take(runs, run)

    async def _take(self, runs: Runs, run: FlowRun) -> None:
        entrypoint = await runs.entrypoint(run)
        spare = self._spares.take()
        claim = Claim.on(run.id, spare.holder)
        self._claims.note(claim)
        taken = await runs.take(run, claim.words)
        if taken is None:
            self._claims.drop(claim)
            self._spares.put_back(spare)
            return
        spare.assign(taken, entrypoint)
        self._carriers[run.id] = Carrier(claim, spare)
        log.info("Took %s (%s).", run.name, entrypoint)
        # The next spare's warming up would take the processor from the run's first second.
        asyncio.get_running_loop().call_later(_SPARE_LATER_SECONDS, self._spares.prepare)

    async def _cancel(self, runs: Runs) -> None:
        if self._carriers:
            for run_id in await runs.to_cancel(self._carriers):
                if self._carriers[run_id].cancel(self.how.cancel_grace_seconds):
                    log.info("Run %s was cancelled: its process is asked to end.", run_id)

    async def _inherit(self) -> None:
        """Watch over the runs of responders of this host that died."""
        for claim in self._claims.inherit():
            log.warning("Inherited run %s of a dead responder.", claim.run)
            self._carriers[claim.run] = Carrier(claim)

    async def _settle_the_ended(self, runs: Runs) -> None:
        for run_id, carrier in list(self._carriers.items()):
            carrier.kill_if_overdue()
            if carrier.has_ended():
                await self._settle(runs, carrier)
                del self._carriers[run_id]

    async def _settle(self, runs: Runs, carrier: Carrier) -> None:
        """See that an ended process leaves its run in a state that says so."""
        from prefect.client.schemas.objects import StateType

        run_id = carrier.claim.run
        state = await runs.state(run_id)
        match state.type if state else None:
            case StateType.CANCELLING:
                await runs.cancelled(run_id)
            case StateType.PENDING if (
                carrier.was_inherited and state and state.message == carrier.claim.words
            ):
                await runs.give_back(run_id)
            case StateType.RUNNING | StateType.PENDING:
                await self._say_crashed(runs, carrier)
            case StateType.PAUSED if state and not state.state_details.pause_reschedule:
                await self._say_crashed(runs, carrier)
            case StateType.CRASHED if not carrier.was_cancelled:
                await self._begin_again(runs, run_id)
            case _:
                pass  # it said itself how it ended, or somebody has scheduled it anew
        self._claims.drop(carrier.claim)

    async def _say_crashed(self, runs: Runs, carrier: Carrier) -> None:
        run_id = carrier.claim.run
        if carrier.was_cancelled:
            await runs.cancelled(run_id)
            return
        log.error("The process of run %s %s.", run_id, carrier.how_it_ended())
        await runs.crashed(run_id, f"Its process {carrier.how_it_ended()}.")
        await self._begin_again(runs, run_id)

    async def _begin_again(self, runs: Runs, run_id: UUID) -> None:
        if await runs.begin_again(run_id):
            log.warning("Run %s is a recovery: it is taken up again.", run_id)

    async def _wait_for_an_end(self) -> None:
        """Return as soon as a process ends or we are told to stop."""
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        sentinels = [fd for carrier in self._carriers.values() if (fd := carrier.sentinel) is not None]
        for sentinel in sentinels:
            loop.add_reader(sentinel, woken.set)
        stopped = loop.create_task(self._stopping.wait())
        ended = loop.create_task(woken.wait())
        try:
            await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for sentinel in sentinels:
                loop.remove_reader(sentinel)
            stopped.cancel()
            ended.cancel()

    async def _wind_down(self, runs: Runs) -> None:
        """End our runs: each cleans up; a recovery goes on where it stood at the next start."""
        for carrier in self._carriers.values():
            carrier.terminate(self.how.stop_grace_seconds)
        while self._carriers:
            for run_id, carrier in list(self._carriers.items()):
                carrier.kill_if_overdue()
                if carrier.has_ended():
                    del self._carriers[run_id]
                    with contextlib.suppress(
                        Exception
                    ):  # the server may be gone; the claim tells the next responder
                        await asyncio.wait_for(self._settle(runs, carrier), 3)
            await asyncio.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT: every flow of `flows/`, or those of the modules that are named."""
    from deployments.flow_modules import flow_modules

    options = argparse.ArgumentParser(prog="python -m deployments.responder", description=main.__doc__)
    options.add_argument("modules", nargs="*", help="modules with flows (default: all of flows/)")
    options.add_argument("--tag", action="append", help="what a deployment must carry to be served")
    given = options.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)

    async def serve() -> None:
        responder = Responder(given.modules or flow_modules(), tags=tuple(given.tag or TAGS))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, responder.stop)
        await responder.serve()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
