"""What becomes of an open incident whose run is dead: it is taken up, left to whoever does so, or people are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from rules.triggers import incident_key
from rules.values import Frozen

MOST_RUNS = 6
"""After so many runs of one incident the next one would die as well: people have to look."""

MOST_REQUESTS = 3
"""Runs asked for without one of them taking the incident up."""

LATE = timedelta(minutes=2)
"""A run that is due for so long is served by nobody."""


class RunState(StrEnum):
    """How the run stands that worked on the incident last; Prefect's states, as far as they matter here."""

    NONE = "none"
    """There is no such run on the server: it was started elsewhere, or is forgotten."""
    WAITS = "waits"
    """It is scheduled to begin again."""
    GOES = "goes"
    """It is running, paused or about to begin, as the server believes."""
    OVER = "over"


class Orphan(Frozen):
    """An open incident whose run is dead, and what is known of it."""

    incident: str
    scenario: str
    environment: str
    runs: int
    run_out_at: datetime | None
    """When its lease ran out or will; None: it has none."""
    run: RunState
    due_at: datetime | None = None
    """When its run is to begin again."""
    stopped: bool = False
    """Whether the stop lever is on."""

    def key(self, number: int = 0) -> str:
        """The idempotency key of the run that takes it up. The first is the one that an alarm would ask with."""
        again = f" again {number}" if number else ""
        return incident_key(self.scenario, self.environment, f"{self.incident} {self.runs}{again}")


class Care(StrEnum):
    """What to do about an orphan. Bury: say that its run is dead, then take it up."""

    WAIT = "wait"
    TAKE_UP = "take up"
    BURY = "bury"
    ESCALATE = "escalate"


class Decision(Frozen):
    """What to do and why."""

    care: Care
    reason: str


def care_for(orphan: Orphan, now: datetime) -> Decision:
    """Decide about one orphan. Its lease must have run out: until then its own responder takes it up faster."""
    if orphan.stopped:
        return Decision(care=Care.WAIT, reason="the stop lever is on")
    if orphan.run_out_at is not None and now <= orphan.run_out_at:
        return Decision(care=Care.WAIT, reason="its responder may take it up itself")
    if orphan.run is RunState.WAITS:
        if orphan.due_at is None or now <= orphan.due_at + LATE:
            return Decision(care=Care.WAIT, reason="its run begins again by itself")
        return Decision(
            care=Care.ESCALATE, reason=f"its run was due at {orphan.due_at:%H:%M:%S} UTC and nobody takes it"
        )
    if orphan.runs >= MOST_RUNS:
        return Decision(care=Care.ESCALATE, reason=f"{orphan.runs} runs of it died")
    if orphan.run is RunState.GOES:
        return Decision(care=Care.BURY, reason="its run is dead, and the server does not know")
    return Decision(care=Care.TAKE_UP, reason="its run is dead")
