"""Each phase has its own time limit."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from flows._limits import within
from rules.errors import StepFailed


def test_what_takes_too_long_is_stopped() -> None:
    """A block that sleeps past its limit is stopped in the middle, told by its name."""
    begun = time.monotonic()
    with (
        pytest.raises(StepFailed, match=r"detecting took longer than 0\.2 s") as stopped,
        within(0.2, "detecting"),
    ):
        time.sleep(30)

    assert time.monotonic() - begun < 5
    assert "timeline" in stopped.value.hint


def test_what_is_quick_is_left_alone() -> None:
    """A block within its limit runs to its end, and no alarm is left behind."""
    before = signal.getsignal(signal.SIGALRM)
    with within(30, "deciding"):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0

    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_error_in_the_block_passes_and_clears_the_alarm() -> None:
    """The block's own error is raised, and the alarm does not ring later."""
    with pytest.raises(ZeroDivisionError), within(30, "acting"):
        raise ZeroDivisionError

    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_outside_the_main_thread_nothing_is_limited() -> None:
    """Where no signal can arrive the block runs unlimited instead of failing."""
    told: list[str] = []

    def work() -> None:
        with within(0.01, "acting"):
            time.sleep(0.1)
            told.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)

    assert told == ["done"]
