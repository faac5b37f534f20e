"""Each phase has its own time limit; time spent waiting for a person counts against none of them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rules.errors import StepFailed


@contextlib.contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Stop the block after `seconds` of wall clock.

    Works in a process's main thread, where every flow of ours runs; elsewhere the block is not limited.

    Raises:
        StepFailed: the time is over. It arrives in the middle of whatever was running.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise StepFailed(
            f"{what} took longer than {seconds:g} s.", hint="Look at the last step in the timeline."
        )

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
