"""Group commit: the alarms of all requests that wait at the same moment go to disk in one transaction.

A commit costs a disk flush. One for each request would be the ceiling of the whole receiver; here, while one
flush runs, the next requests gather. No request is answered before its own commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ledger import alarms
from ledger.alarms import NewAlarm
from ledger.database import Ledger
from rules.errors import RecoveryRefused
from webhooks.gate import Refusal

log = logging.getLogger("backstop.webhooks")
_MOST_WAITING = 5_000
_GATHER_SECONDS = 0.003


@dataclass(frozen=True, slots=True)
class _Waiting:
    alarms: Sequence[NewAlarm]
    kept: asyncio.Future[set[str]]


class Inbox:
    """Keeps alarms in the ledger. `arrived` is called after a commit of new ones."""

    def __init__(self, ledger: Ledger, arrived: Callable[[], None]) -> None:
        self._ledger = ledger
        self._arrived = arrived
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self.writable = True
        """Whether the last commit worked."""

    async def keep(self, new: Sequence[NewAlarm]) -> set[str]:
        """Store alarms durably; return the ids of those that were not delivered before.

        Raises:
            Refusal: 503, they could not be stored; the sender must deliver them again.
        """
        if self._stopping or self._size + len(new) > _MOST_WAITING:
            raise _not_stored("the receiver is stopping" if self._stopping else "too many deliveries at once")
        kept: asyncio.Future[set[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(new, kept))
        self._size += len(new)
        self._wake.set()
        return await kept

    async def run(self) -> None:
        """Commit batches until stopped; what waits then is still committed."""
        loop = asyncio.get_running_loop()
        batch: list[_Waiting] = []
        while not self._stopping or self._waiting:
            await self._wake.wait()
            if len(batch) > 1:  # others come at the same time: a commit costs the same for more of them
                await asyncio.sleep(_GATHER_SECONDS)
            self._wake.clear()
            batch, self._waiting, self._size = self._waiting, [], 0
            if batch:
                await loop.run_in_executor(self._thread, self._commit, batch, loop)
        self._thread.shutdown()

    def stop(self) -> None:
        """Take nothing more, commit what waits, and end `run`."""
        self._stopping = True
        self._wake.set()

    def _commit(self, batch: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        try:
            new = self._store([alarm for waiting in batch for alarm in waiting.alarms])
        except Exception as error:  # noqa: BLE001 - whatever it is, its senders must hear of it
            if len(batch) > 1 and not isinstance(error, RecoveryRefused):
                for waiting in batch:  # one delivery that the database does not take must not cost the others
                    self._commit([waiting], loop)
                return
            loop.call_soon_threadsafe(self._refuse, batch, error)
            return
        loop.call_soon_threadsafe(self._answer, batch, new)

    def _store(self, all_alarms: list[NewAlarm]) -> set[str]:
        # The same delivery twice in one batch: only its first one can be new.
        first: dict[tuple[str, str], NewAlarm] = {}
        for alarm in all_alarms:
            first.setdefault((alarm.source, alarm.external_id), alarm)
        return alarms.store(self._ledger, list(first.values()))

    def _answer(self, batch: list[_Waiting], new: set[str]) -> None:
        self.writable = True
        for waiting in batch:
            if not waiting.kept.done():
                waiting.kept.set_result({alarm.id for alarm in waiting.alarms if alarm.id in new})
        if new:
            self._arrived()

    def _refuse(self, batch: list[_Waiting], error: Exception) -> None:
        self.writable = not isinstance(error, RecoveryRefused)
        log.error("alarms not stored: %s", error)
        refusal = _not_stored(error.message if isinstance(error, RecoveryRefused) else type(error).__name__)
        for waiting in batch:
            if not waiting.kept.done():
                waiting.kept.set_exception(refusal)


def _not_stored(why: str) -> Refusal:
    return Refusal(
        503,
        f"Not stored: {why}",
        hint="Deliver it again; nothing was dispatched.",
        reason="ledger",
        retry_after=10,
    )
