"""Ending a drill: its fault is undone, it is graded, and people hear of one that failed.

Whoever ends it, the drill itself or the janitor, does the same; each step is written and is not done twice.
"""

from __future__ import annotations

from blocks.environment import Environment
from flows._drill_findings import tell
from flows._drill_word import take_word_back
from ledger import drills
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drill_rows import DrillRow
from ledger.holders import this_process
from rules.drill_grades import Graded
from rules.errors import BackstopError, LeaseHeld
from rules.escalation import Message
from tasks.announcements import announce
from tasks.drill_faults import undo_fault
from tasks.kinds import say
from tasks.notices import Mood

LEASE_SECONDS = 120.0
"""A drill holds an environment only while it breaks it, or undoes that."""


def row_of(drill: str) -> DrillRow:
    """The drill as the ledger knows it."""
    with open_ledger().reading() as session:
        return session.get_one(DrillRow, drill)


def take_back(environment: Environment, drill: str) -> str | None:
    """Undo what is left of the drill's fault; what that was, empty: nothing. None: there was nothing to undo.

    Raises:
        LeaseHeld: a recovery acts there: it is undone once that has ended.
    """
    row = row_of(drill)
    if row.intent_at is None or row.undone_at is not None:
        return None
    ledger = open_ledger()
    with ledger.session("drill: undoing") as session:
        fence = drills.hold(session, drill, this_process(), now(), LEASE_SECONDS)
    try:
        fault, alarm = undo_fault(environment, row.fault, row.note)
        take_word_back(drill)
    except BaseException:
        with ledger.session("drill: not undone") as session:
            drills.let_go(session, drill, fence)
        raise
    told = "; ".join(each for each in (fault, alarm) if each)
    with ledger.session("drill: undone") as session:
        drills.undone(session, drill, fence, told, now())
    say(f"Undone: {told}." if told else "Nothing of the fault was left.")
    return fault


def owed(drill: str) -> bool:
    """Whether the fault may still be there."""
    row = row_of(drill)
    return row.intent_at is not None and row.undone_at is None


def take_back_or_owe(environment: Environment, drill: str) -> tuple[str | None, str]:
    """As `take_back`; where it could not be undone now the janitor does it, and the second text says why."""
    try:
        return take_back(environment, drill), ""
    except LeaseHeld as held:
        say(f"The fault is undone once the environment is free: {held.message}")
        return None, f"the fault is undone later: {held.message}"
    except BackstopError as error:
        _tell_not_undone(environment, drill, error)
        return None, f"the fault could not be undone: {error.message}"


def close(environment: Environment, drill: str, graded: Graded, incident: str | None = None) -> None:
    """Write the grade, and tell people of a failure; doing it again changes nothing."""
    with open_ledger().session("drill: ended") as session:
        drills.end(session, drill, graded, incident, now())
    tell(environment, row_of(drill))


def _tell_not_undone(environment: Environment, drill: str, error: BackstopError) -> None:
    """Once: the janitor tries it again every minute."""
    with open_ledger().session("drill: cannot be undone") as session:
        first = drills.note_trouble(session, drill, error.message)
    if first:
        row = row_of(drill)
        message = Message(
            title=f"{row.environment}: the fault of a drill is still there",
            condition=f"{error.message} The fault is {row.fault}, of the drill {row.id}.",
            actions=("It is tried again every minute.",),
            needs=error.hint or "Undo it by hand; `backstop drill` has what is known of it.",
        )
        announce(environment, f"{row.id} undo", message, Mood.FAILURE)
