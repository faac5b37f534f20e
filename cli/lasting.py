"""Things that are started, kept and stopped by one thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

SHORT_SECONDS, STOP_SECONDS = 0.5, 40.0


class Lasting(Generic[T]):
    """Starts something in a thread that stays until it is stopped, so that several can start at the same time.

    The thread must stay: the kernel ends children that asked to die with their parent when the *thread* that
    started them ends.
    """

    def __init__(self, name: str, start: Callable[[], T], stop: Callable[[T], None]) -> None:
        self._start, self._stop = start, stop
        self._value: T | None = None
        self._error: BaseException | None = None
        self._started, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    @property
    def value(self) -> T:
        """What was started, as soon as it is; raises what its start raised."""
        while not self._started.wait(0.1):
            pass  # short waits: Ctrl-C gets through between them
        if self._error is not None:
            raise self._error
        if self._value is None:
            raise RuntimeError("it was stopped before it had started")
        return self._value

    @property
    def has_failed(self) -> bool:
        """Whether its start raised."""
        return self._error is not None

    def stop(self) -> None:
        """Stop it; does nothing the second time. What is still starting is not waited for: its caller ends it."""
        self._over.set()
        if self._started.wait(SHORT_SECONDS):
            self._thread.join(STOP_SECONDS)

    def _live(self) -> None:
        try:
            self._value = self._start()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits for the value
            self._error = error
            return
        finally:
            self._started.set()
        self._over.wait()
        self._stop(self._value)
