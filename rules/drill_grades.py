"""How a drill went: pass, fail or inconclusive against the runbook's promise, with every reason.

Pass says that the recovery kept the promise; fail, that it did not. What says nothing about the recovery (nobody was
called, something else happened, the drill was stopped) is inconclusive, and never counts as either.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from rules.outcomes import Ending, Verdict
from rules.values import Frozen


class Heard(StrEnum):
    """How a drill's alarm reached Backstop."""

    DELIVERED = "delivered"
    ASKED = "asked for"
    """The look at standing alarms found it: that costs a minute, and covers for a webhook that is broken."""
    NOT = "not at all"


class Incident(Frozen):
    """The incident that answered the fault. Times are UTC; `closed_at` None: it is open still."""

    id: str
    opened_at: datetime
    closed_at: datetime | None = None
    ending: Ending | None = None
    reason: str = ""
    by_alarm: bool = True
    """Or by the drill itself, where no alarm can tell of its fault."""
    waited_seconds: float = 0.0
    """How long it waited for people."""


class Observed(Frozen):
    """Everything that a drill saw, for its grade."""

    scenario: str
    promised_seconds: float
    alarm_only: bool = False
    """Nothing was broken: finding nothing to do is right, and the way of the alarm is what is graded."""
    heard: Heard = Heard.NOT
    not_steady: tuple[str, ...] = ()
    """What was not well before anything was broken; then nothing was."""
    injected_at: datetime | None = None
    stopped: str = ""
    """The condition that stopped the drill."""
    late: bool = False
    """It was that its time was over."""
    incident: Incident | None = None
    steady_after: Verdict | None = None
    after: tuple[str, ...] = ()
    """What was not well afterwards."""
    differences: tuple[str, ...] = ()
    """Where the world is not what it was before."""
    left_broken: bool = False
    """The fault was still there, and the drill itself had to undo it."""
    died: bool = False
    """The drill's own process died."""


class Graded(Frozen):
    """The grade and why."""

    grade: Verdict
    reasons: tuple[str, ...]


def to_recover(incident: Incident) -> float:
    """Seconds from its opening to its end, without the time that people took to answer."""
    if incident.closed_at is None:
        return 0.0
    return max(0.0, (incident.closed_at - incident.opened_at).total_seconds() - incident.waited_seconds)


def graded(seen: Observed) -> Graded:
    """Judge a drill. A failure of the recovery outweighs what stopped the drill afterwards."""
    if seen.not_steady:
        return _unsure(f"nothing was broken: it was not well before: {'; '.join(seen.not_steady)}")
    if seen.died:
        return _unsure("the drill's own process died")
    if seen.injected_at is None:
        return _unsure(seen.stopped or "the fault could not be brought about")
    if seen.incident is None:
        if seen.alarm_only and seen.late:
            return Graded(grade=Verdict.FAIL, reasons=(_nothing_came(seen.heard),))
        return _unsure(seen.stopped or "no alarm started the scenario")
    if not seen.incident.by_alarm:
        return _unsure(f"{seen.incident.id} was started by a person, not by the alarm")
    if seen.incident.closed_at is None:
        return _unsure(seen.stopped or f"{seen.incident.id} has not ended")
    failures = _failures(seen, seen.incident)
    if failures:
        return Graded(grade=Verdict.FAIL, reasons=tuple(failures))
    if seen.stopped:
        return _unsure(seen.stopped)
    if seen.steady_after is not Verdict.PASS:
        return _unsure(
            f"it could not be told whether all is well: {'; '.join(seen.after) or 'not looked at'}"
        )
    took = f"{to_recover(seen.incident):.0f} s, {seen.promised_seconds:g} s are promised"
    told = f"{seen.incident.ending or ''} in {took}"
    return Graded(grade=Verdict.PASS, reasons=(told, *([_ASKED] if seen.heard is Heard.ASKED else [])))


_ASKED = (
    "the alarm was not delivered, only found by asking: look at its action, its subscription and the receiver"
)


def _nothing_came(heard: Heard) -> str:
    if heard is Heard.NOT:
        return "the alarm was set and never reached Backstop: look at its action, its subscription and the receiver"
    return f"the alarm was {heard.value}, and no incident came of it: look at the receiver's and the responder's logs"


def _failures(seen: Observed, incident: Incident) -> list[str]:
    right = {Ending.RECOVERED, Ending.NOTHING_TO_DO} if seen.alarm_only else {Ending.RECOVERED}
    if incident.ending not in right:
        ended = incident.ending.value if incident.ending else "open"
        return [f"{incident.id} ended as {ended}: {incident.reason}"]
    found, took = [], to_recover(incident)
    if took > seen.promised_seconds:
        found.append(f"it took {took:.0f} s, and {seen.promised_seconds:g} s are promised")
    if seen.steady_after is Verdict.FAIL:
        found.append(f"it is not well afterwards: {'; '.join(seen.after)}")
    if seen.left_broken:
        found.append("the fault was still there when the recovery had ended")
    if seen.alarm_only and seen.heard is not Heard.DELIVERED:
        found.append(_ASKED)
    found += [f"it is not as it was before: {each}" for each in seen.differences]
    return found


def _unsure(reason: str) -> Graded:
    return Graded(grade=Verdict.INCONCLUSIVE, reasons=(reason,))


def overdue(gives_up_at: datetime) -> str:
    """What stops a drill whose time is over."""
    return f"stopped: it was not over by {gives_up_at:%H:%M:%S} UTC"


def stop_reason(
    *,
    now: datetime,
    gives_up_at: datetime,
    lever: str,
    other_incidents: tuple[str, ...],
    other_alarms: tuple[str, ...],
) -> str:
    """Why a drill must stop now; empty: it goes on. Whatever is not its own may be real."""
    if lever:
        return f"stopped: {lever}"
    if other_incidents:
        return f"stopped: {', '.join(other_incidents)} came up beside the drill"
    if other_alarms:
        return f"stopped: an alarm outside the drill fires: {', '.join(other_alarms)}"
    if now > gives_up_at:
        return overdue(gives_up_at)
    return ""
