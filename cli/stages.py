"""The stages of something long: one line each with its time, and at the end where the time went."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.printing import console, is_live, table

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass(slots=True)
class Stage:
    """One stage. Times are seconds since the beginning."""

    name: str
    began: float
    ended: float | None = None
    failed: bool = False
    said: str = ""

    def say(self, text: str) -> None:
        """What it is doing now, in a few words."""
        self.said = text


@dataclass(slots=True)
class Stages:
    """Shows stages while they run, several at a time if need be. Use as a context."""

    quiet: bool = False
    stages: list[Stage] = field(default_factory=list)
    _start: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _live: Live | None = None
    _finished: int = 0

    def __enter__(self) -> Self:
        if is_live() and not self.quiet:
            self._live = Live(get_renderable=self._picture, console=console(), refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None
            self._finished = len(self.stages)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """One stage, from any thread."""
        stage = Stage(name, self.elapsed)
        with self._lock:
            self.stages.append(stage)
        try:
            yield stage
        except BaseException:
            stage.failed = True
            raise
        finally:
            stage.ended = self.elapsed
            if not self._live and not self.quiet:
                self._line(stage)

    def print_where_the_time_went(self) -> None:
        """A table of every stage: when it began, how long it took."""
        rows = [
            (
                stage.name,
                f"{stage.began:.1f}",
                f"{(stage.ended or self.elapsed) - stage.began:.1f}",
                stage.said,
            )
            for stage in sorted(self.stages, key=lambda stage: stage.began)
        ]
        table(
            "Where the time went (stages overlap)",
            ("stage", "began after seconds", "took seconds", ""),
            [*rows, ("in all", "", f"{self.elapsed:.1f}", "")],
        )

    def _line(self, stage: Stage) -> None:
        took = (stage.ended or self.elapsed) - stage.began
        sign = "[red]✗[/]" if stage.failed else "[green]✓[/]"
        said = f"  [dim]{escape(stage.said)}[/]" if stage.said else ""
        console().print(f"{sign} {took:5.1f} s  {stage.name}{said}")

    def _picture(self) -> Table:
        drawn = Table(box=None, pad_edge=False, show_header=False, expand=True)
        drawn.add_column(width=1, no_wrap=True)
        drawn.add_column(width=8, no_wrap=True, justify="right")
        drawn.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        turn = _SPINNER[int(self.elapsed * 8) % len(_SPINNER)]
        for stage in self.stages[self._finished :]:
            took = (stage.ended or self.elapsed) - stage.began
            sign = (
                Text("✗", "red")
                if stage.failed
                else Text("✓", "green")
                if stage.ended
                else Text(turn, "yellow")
            )
            drawn.add_row(sign, f"{took:.1f} s", f"{stage.name}  [dim]{escape(stage.said)}[/]")
        return drawn
