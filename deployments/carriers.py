"""The processes that carry out runs: warm spares, and what a responder knows of one at work."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING

from deployments.claims import Claim
from deployments.lifeline import CANCEL
from ledger.holders import Holder, is_dead, process_here

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

log = logging.getLogger("backstop.responder")

PRELOADED = (
    "deployments.run_process",
    "boto3",
    # What Prefect imports only when its first flow runs: 0.2 s that nobody should wait for at 3 a.m.
    "anyio._backends._asyncio",
    "anyio.streams.tls",
    "prefect._internal.observers",
    "prefect._internal.states",
    "prefect.concurrency._asyncio",
    "prefect.concurrency._sync",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "rich._emoji_codes",
)
"""Imported before any run, beside the flows themselves; a name that is gone is passed over."""


@dataclass(slots=True)
class Spare:
    """A process that is imported, connected, and waits to be told its run."""

    process: ForkServerProcess
    mailbox: Connection
    holder: Holder

    def assign(self, run: FlowRun, entrypoint: str) -> None:
        """Tell it what to run."""
        from deployments.run_process import Assignment

        self.mailbox.send_bytes(Assignment(run=run, entrypoint=entrypoint).model_dump_json().encode())
        self.mailbox.close()


class Spares:
    """Keeps one spare ready. They are forked from a process without threads that has `preload` imported."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*PRELOADED, *preload])
        forkserver.ensure_running()  # it imports while we do
        self._ready: list[Spare] = []

    def prepare(self) -> None:
        """See that a spare is on its way, so that the next run need not wait for one."""
        if not self._ready:
            self._ready.append(self._new())

    def take(self) -> Spare:
        """A living spare."""
        while self._ready:
            spare = self._ready.pop()
            if spare.process.is_alive():
                return spare
        return self._new()

    def put_back(self, spare: Spare) -> None:
        """Return a spare that was not needed."""
        self._ready.append(spare)

    def close(self) -> None:
        """End the spares: they see that nobody holds the other end of their mailbox."""
        for spare in self._ready:
            spare.mailbox.close()
        for spare in self._ready:
            spare.process.join(2)
            spare.process.kill()
        self._ready.clear()

    def _new(self) -> Spare:
        from deployments.run_process import serve

        theirs, ours = self._context.Pipe(duplex=False)
        child = self._context.Process(target=serve, args=(theirs,), name="backstop-run")
        child.start()
        theirs.close()
        if child.pid is None:
            raise RuntimeError("a started process has a pid")
        return Spare(child, ours, process_here(child.pid))


@dataclass(slots=True)
class Carrier:
    """A process at work on a run: our own spare, or one inherited from a dead responder (`spare` is None)."""

    claim: Claim
    spare: Spare | None = None
    was_cancelled: bool = False
    _kill_at: float = field(default=float("inf"))

    @property
    def was_inherited(self) -> bool:
        """Whether another responder started it."""
        return self.spare is None

    @property
    def sentinel(self) -> int | None:
        """A file descriptor that becomes readable when the process ends; None for an inherited one."""
        return None if self.spare is None else self.spare.process.sentinel

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        if self.spare is not None and self.spare.process.is_alive():
            return False
        # Also when the fork server died, which looks like the end of every process it started.
        return is_dead(self.claim.process) is True

    def how_it_ended(self) -> str:
        """The end of its process in words: `ended with exit code 1`, `was killed by SIGKILL`."""
        code = None if self.spare is None else self.spare.process.exitcode
        if code is None or code == 255:
            return "ended"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def cancel(self, grace_seconds: float) -> bool:
        """Ask the process, once, to end because somebody cancelled its run; it is killed after the grace."""
        if self.was_cancelled:
            return False
        self.was_cancelled = True
        self._end(CANCEL, grace_seconds)
        return True

    def terminate(self, grace_seconds: float) -> None:
        """Ask the process to end because we do; it is killed after the grace."""
        self._end(signal.SIGTERM, grace_seconds)

    def kill_if_overdue(self) -> None:
        """Kill a process whose grace is over."""
        if time.monotonic() > self._kill_at:
            self._signal(signal.SIGKILL)

    def _end(self, number: signal.Signals, grace_seconds: float) -> None:
        self._kill_at = min(self._kill_at, time.monotonic() + grace_seconds)
        self._signal(number)

    def _signal(self, number: signal.Signals) -> None:
        if is_dead(self.claim.process) is False:
            os.kill(self.claim.process.pid, number)
