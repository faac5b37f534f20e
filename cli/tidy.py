"""Leaving nothing running, whatever way a command ends."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import psutil

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 3.0


@contextmanager
def left_tidy() -> Iterator[None]:
    """End every process below this one at the end of the block; SIGTERM and SIGHUP end it like Ctrl-C.

    What kills this very process cannot be caught: children that ask to die with their parent see to that.
    """
    if sys.platform == "linux":
        # Orphans of our children become our children: otherwise nobody would know them any more.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it is ending already
        _end_descendants()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _end_descendants() -> None:
    """SIGTERM, and SIGKILL after the grace; children that appear meanwhile too."""
    for _ in range(3):
        left = psutil.Process().children(recursive=True)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(left, timeout=GRACE_SECONDS)
        for process in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=1)
