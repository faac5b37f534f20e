"""Watching a drill from its fault to the end of the incident that answers it. The recovery is never touched."""

from __future__ import annotations

from blocks.environment import Environment
from flows._drill_start import steady
from flows._drill_word import ask, needs_word
from ledger import drills, levers
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drill_rows import DrillRow
from rules.drill_grades import Heard, Incident, stop_reason
from rules.outcomes import Verdict, Verification
from tasks.kinds import pause, say

_POLL_SECONDS = 1.0
_MOST_LOOKS = 20
_BETWEEN_LOOKS_SECONDS = 3.0


def wait_for_recovery(environment: Environment, drill: str) -> tuple[Incident | None, str]:
    """The incident that answered the fault, once it has ended; and why the drill stopped before, if it did.

    Where no alarm tells of the fault, the drill asks for the recovery itself, as a person would.
    """
    told, silent = "", needs_word(drill)
    while True:
        incident, stopped = look(drill)
        if silent and incident is None and not stopped:
            silent = not ask(environment, drill)
        if incident is not None and incident.id != told:
            told = incident.id
            say(f"{incident.id} answers the fault.")
        if stopped or (incident is not None and incident.closed_at is not None):
            return incident, stopped
        pause(_POLL_SECONDS)


def look(drill: str) -> tuple[Incident | None, str]:
    """The incident as it stands, and why the drill must stop; empty: it goes on."""
    with open_ledger().reading() as session:
        row = session.get_one(DrillRow, drill)
        incident = drills.answering(session, row)
        others, alarms = drills.others(session, row)
        lever = levers.pulled(session, row.environment)
    stopped = stop_reason(
        now=now(),
        gives_up_at=row.gives_up_at,
        lever=f"the {lever.told}" if lever else "",
        other_incidents=tuple(others),
        other_alarms=tuple(alarms),
    )
    return incident, stopped


def heard(drill: str, *, patiently: bool) -> Heard:
    """How its alarm reached Backstop. A delivery may come after the look that found the alarm: it may be waited for."""
    looks = 1
    while (found := _heard(drill)) is Heard.ASKED and patiently and looks < _MOST_LOOKS:
        looks += 1
        pause(_POLL_SECONDS)
    return found


def _heard(drill: str) -> Heard:
    with open_ledger().reading() as session:
        return drills.heard(session, session.get_one(DrillRow, drill))


def steady_again(environment: Environment, scenario: str) -> Verification:
    """Look until everything is well again: an alarm follows what it watches a while later."""
    looks = 1
    while (found := steady(environment, scenario)).verdict is not Verdict.PASS and looks < _MOST_LOOKS:
        looks += 1
        pause(_BETWEEN_LOOKS_SECONDS)
    return found
