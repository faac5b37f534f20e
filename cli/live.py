"""Watching an incident while it happens: its phases, steps and times, read from the ledger's timeline.

On a terminal it is a picture that redraws itself; anywhere else every entry is one line.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.printing import coloured, console, duration, is_live
from ledger import timeline
from ledger.database import Ledger
from ledger.models import IncidentRow, TimelineRow
from rules.outcomes import Phase

LOOK_SECONDS = 0.3
LINES = 8
"""How many of the newest entries the picture shows."""

_COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")

ORDER = [phase.value for phase in Phase]


@dataclass(slots=True)
class Story:
    """What was read of an incident so far."""

    incident: IncidentRow | None = None
    read: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    newest: deque[TimelineRow] = field(default_factory=lambda: deque(maxlen=LINES))
    last: TimelineRow | None = None

    @property
    def closed(self) -> bool:
        """Whether the incident has ended."""
        return self.incident is not None and self.incident.closed_at is not None

    def take(self, row: TimelineRow) -> None:
        """Read one more entry."""
        if self.last is not None:
            before = self.last.phase
            self.seconds[before] = self.seconds.get(before, 0.0) + (row.at - self.last.at).total_seconds()
        self.seconds.setdefault(row.phase, 0.0)
        if row.kind != "phase" or ": " in row.text:
            self.told[row.phase] = row.text
        self.last = row
        self.read = row.number
        self.newest.append(row)

    def spent(self, phase: str, now: datetime) -> float | None:
        """Seconds in a phase, counting the running one up to now; None when it was not entered."""
        seconds = self.seconds.get(phase)
        if seconds is not None and self.last and self.last.phase == phase and not self.closed:
            seconds += max(0.0, (now - self.last.at).total_seconds())
        return seconds


class Watching:
    """Follows one incident. Use as a context; `look` reads on and says whether the incident has ended."""

    def __init__(self, ledger: Ledger, *, quiet: bool = False) -> None:
        self.story = Story()
        self._ledger, self._quiet = ledger, quiet
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if not self._quiet and is_live():
            self._live = Live(get_renderable=self._picture, console=console(), refresh_per_second=6)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def look(self, incident_id: str) -> bool:
        """Read what is new of an incident; true when it has ended."""
        with self._ledger.reading() as session:
            incident = session.get(IncidentRow, incident_id)
            rows = timeline.entries(session, incident_id, after=self.story.read)
        self.story.incident = incident
        for row in rows:
            self.story.take(row)
            if not self._live and not self._quiet:
                self._line(row)
        return self.story.closed

    def say(self, text: str) -> None:
        """One line above the picture."""
        if not self._quiet:
            console().print(escape(text))

    def _line(self, row: TimelineRow) -> None:
        incident = self.story.incident
        since = (row.at - incident.opened_at).total_seconds() if incident else 0.0
        if row.number == 1 and incident:
            console().print(f"{row.incident_id}  {incident.scenario} in {incident.environment}")
        console().print(escape(f"  +{since:7.2f} s  {row.phase:<8}  {row.kind:<10}  {shortened(row.text)}"))
        if waits_for_people(row):
            console().print(f"  It waits for people: backstop approve {row.incident_id}")

    def _picture(self) -> RenderableType:
        incident, now = self.story.incident, datetime.now(UTC)
        if incident is None:
            return "[dim]waiting for the incident to open …[/]"
        took = ((incident.closed_at or now) - incident.opened_at).total_seconds()
        state = coloured(incident.ending) if incident.ending else "[bold yellow]recovering[/]"
        head = (
            f"[bold]{incident.id}[/]  {incident.scenario} in {incident.environment}   {state}   "
            f"{duration(took)} of {duration(incident.budget_seconds)}"
        )
        parts: list[RenderableType] = [head, self._phases(now), ""]
        for row in self.story.newest:
            since = (row.at - incident.opened_at).total_seconds()
            line = f"{since:7.1f} s  {row.kind:<10} {shortened(row.text)}"
            parts.append(Text(line, "dim", no_wrap=True, overflow="ellipsis"))
        if self.story.last and waits_for_people(self.story.last):
            parts.append(f"[bold yellow]It waits for people:[/] backstop approve {incident.id}")
        return Group(*parts)

    def _phases(self, now: datetime) -> Table:
        drawn = Table(box=None, pad_edge=False, show_header=False, expand=True)
        drawn.add_column(width=1, no_wrap=True)
        drawn.add_column(width=8, no_wrap=True)
        drawn.add_column(width=11, no_wrap=True, justify="right")
        drawn.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        current = self.story.last.phase if self.story.last and not self.story.closed else ""
        for phase in ORDER:
            spent = self.story.spent(phase, now)
            if spent is None:
                drawn.add_row(" ", f"[dim]{phase}[/]", "", "")
                continue
            sign = "[yellow]●[/]" if phase == current else "[green]✓[/]"
            drawn.add_row(sign, phase, duration(spent), escape(shortened(self.story.told.get(phase, ""))))
        return drawn


def shortened(text: str) -> str:
    """Full commit ids cut to the seven letters that people use."""
    return _COMMIT.sub(r"\1", text)


def waits_for_people(row: TimelineRow) -> bool:
    """Whether an entry says that the plan needs somebody's approval now."""
    return row.kind == "guard" and row.text.startswith(("one approver", "two approvers"))


def follow_incident(ledger: Ledger, incident_id: str, gone: Callable[[], bool] = lambda: False) -> None:
    """Show an incident until it ends, or until `gone` says that nobody works on it any more."""
    with Watching(ledger) as watching:
        while not watching.look(incident_id) and not gone():
            time.sleep(LOOK_SECONDS)
