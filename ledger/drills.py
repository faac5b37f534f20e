"""Drills: what was broken on purpose, what is needed to undo it, and how its recovery went.

Every step is written before and after it is taken: whoever finds a drill without an end knows what to undo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ledger import leases
from ledger.alarms import ASKED_FOR
from ledger.drill_rows import DrillRow
from ledger.holders import Holder, is_dead
from ledger.incidents import new_id
from ledger.models import AlarmRow, IncidentRow
from ledger.past import waited
from rules.alarms import AlarmStatus
from rules.drill_grades import Graded, Heard, Incident
from rules.drill_records import PastDrill
from rules.errors import LeaseHeld, RecoveryRefused
from rules.outcomes import Ending, Verdict
from rules.redaction import redact

_IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known when a drill begins."""

    environment: str
    tier: str
    scenario: str
    fault: str
    emergency: bool
    promised_seconds: float
    gives_up_at: datetime
    began_by: str = ""
    approved_by: str = ""
    flow_run_id: str | None = None


def open_drill(session: Session, opening: Opening, holder: Holder, at: datetime) -> str:
    """Write that a drill begins; its id, e.g. `drl-20260201-1000-k7qd2m`.

    Raises:
        RecoveryRefused: another drill has not ended; two at once could not be told apart.
    """
    leases.locked_row(session, opening.environment)  # keeps two openers apart
    if other := not_ended(session):
        raise RecoveryRefused(
            f"The drill {other} has not ended.", hint="Wait for it; `backstop drill` lists drills."
        )
    number = new_id(at, "drl")
    session.add(
        DrillRow(
            id=number,
            environment=opening.environment,
            tier=opening.tier,
            scenario=opening.scenario,
            fault=opening.fault,
            emergency=opening.emergency,
            began_at=at,
            began_by=redact(opening.began_by),
            approved_by=redact(opening.approved_by),
            flow_run_id=opening.flow_run_id,
            holder=holder.model_dump(),
            gives_up_at=opening.gives_up_at,
            promised_seconds=opening.promised_seconds,
        )
    )
    session.flush()
    return number


def intend(
    session: Session,
    drill: str,
    holder: Holder,
    at: datetime,
    seconds: float,
    *,
    before: Mapping[str, str],
    note: Mapping[str, str],
) -> int:
    """Take the environment's lease and write what is about to be broken, and how it is undone; the fencing number.

    Raises:
        LeaseHeld: somebody acts there, or an incident is open; nothing was written.
    """
    row = session.get_one(DrillRow, drill)
    fence = leases.acquire(session, row.environment, drill, holder, at, seconds)
    if found := open_incident(session, row.environment):
        raise LeaseHeld(f"The incident {found} is open in {row.environment}.", hint="Drill later.")
    row.before, row.note, row.intent_at = dict(before), dict(note), at
    return fence


def open_incident(session: Session, environment: str) -> str:
    """An incident that is open there; a rehearsal is none. Empty: none is."""
    wanted = select(IncidentRow.id).where(
        IncidentRow.environment == environment,
        IncidentRow.closed_at.is_(None),
        IncidentRow.rehearsal.is_(False),
    )
    return session.scalars(wanted.limit(1)).first() or ""


def injected(session: Session, drill: str, fence: int, at: datetime) -> None:
    """Write that the fault is there, and leave the environment to whoever recovers it."""
    row = session.get_one(DrillRow, drill)
    row.injected_at = at
    leases.release(session, row.environment, fence)


def hold(session: Session, drill: str, holder: Holder, at: datetime, seconds: float) -> int:
    """Take the lease of a drill's environment, to undo its fault; the fencing number.

    Raises:
        LeaseHeld: somebody acts there.
    """
    return leases.acquire(session, session.get_one(DrillRow, drill).environment, drill, holder, at, seconds)


def let_go(session: Session, drill: str, fence: int) -> None:
    """Give the lease back."""
    leases.release(session, session.get_one(DrillRow, drill).environment, fence)


def note_trouble(session: Session, drill: str, what: str) -> bool:
    """Write that the fault could not be undone; false when that was written before."""
    row = session.get_one(DrillRow, drill, with_for_update=True)
    first = not row.undo
    row.undo = redact(what)
    return first


def undone(session: Session, drill: str, fence: int, what: str, at: datetime) -> None:
    """Write that nothing of the fault is left, and give the lease back."""
    row = session.get_one(DrillRow, drill)
    row.undone_at, row.undo = at, redact(what)
    leases.release(session, row.environment, fence)


def end(session: Session, drill: str, graded: Graded, incident: str | None, at: datetime) -> bool:
    """Write the grade; false when it had one already."""
    row = session.get_one(DrillRow, drill, with_for_update=True)
    if row.ended_at is not None:
        return False
    row.ended_at, row.grade = at, graded.grade.value
    row.reasons = {"reasons": [redact(reason) for reason in graded.reasons]}
    row.incident_id = incident
    return True


_NO_END = DrillRow.ended_at.is_(None)
_OWED = DrillRow.intent_at.is_not(None) & DrillRow.undone_at.is_(None)
"""The fault may still be there."""


def not_ended(session: Session) -> str:
    """A drill that has not ended or whose fault may still be there, in any environment; empty: there is none."""
    return session.scalars(select(DrillRow.id).where(or_(_NO_END, _OWED)).limit(1)).first() or ""


def unfinished(session: Session, at: datetime) -> list[DrillRow]:
    """Drills that somebody else has to finish: to undo what is owed, to end or to tell of one whose process is dead.

    One of another host counts as dead once its time is over.
    """
    found = session.scalars(select(DrillRow).where(or_(_NO_END, _OWED, DrillRow.told_at.is_(None))))
    return [
        row for row in found if (row.ended_at and not row.undone_at and row.intent_at) or _is_dead(row, at)
    ]


def _is_dead(row: DrillRow, at: datetime) -> bool:
    dead = is_dead(Holder.model_validate(row.holder))
    return at > row.gives_up_at if dead is None else dead


def last_drilled(session: Session, environment: str) -> dict[tuple[str, str], datetime]:
    """When each fault and scenario was drilled last in an environment, however it went."""
    columns = (DrillRow.fault, DrillRow.scenario)
    wanted = select(*columns, func.max(DrillRow.began_at)).where(DrillRow.environment == environment)
    return {(fault, scenario): at for fault, scenario, at in session.execute(wanted.group_by(*columns))}


def listed(session: Session, *, environment: str | None = None, most: int = 50) -> list[DrillRow]:
    """The newest drills first."""
    wanted = select(DrillRow).order_by(DrillRow.began_at.desc()).limit(most)
    if environment:
        wanted = wanted.where(DrillRow.environment == environment)
    return list(session.scalars(wanted))


def ended_between(session: Session, since: datetime, until: datetime) -> list[PastDrill]:
    """Every drill that ended then, the oldest first."""
    columns = (DrillRow.environment, DrillRow.scenario, DrillRow.grade)
    wanted = select(*columns).where(DrillRow.ended_at >= since, DrillRow.ended_at < until)
    return [
        PastDrill(environment=place, scenario=scenario, grade=Verdict(grade))
        for place, scenario, grade in session.execute(wanted.order_by(DrillRow.ended_at))
    ]


def of_run(session: Session, flow_run_id: str) -> DrillRow | None:
    """The drill that a flow run began, if it has begun one."""
    return session.scalars(select(DrillRow).where(DrillRow.flow_run_id == flow_run_id)).first()


def answering(session: Session, row: DrillRow) -> Incident | None:
    """The incident of the drill's scenario that was opened since the fault is there."""
    if row.intent_at is None:
        return None
    wanted = select(IncidentRow).where(
        IncidentRow.environment == row.environment,
        IncidentRow.scenario == row.scenario,
        IncidentRow.opened_at >= row.intent_at,
        IncidentRow.rehearsal.is_(False),
        or_(IncidentRow.ending.is_(None), IncidentRow.ending != Ending.ALREADY_HANDLED.value),
    )
    found = session.scalars(wanted.order_by(IncidentRow.opened_at).limit(1)).first()
    if found is None:
        return None
    return Incident(
        id=found.id,
        opened_at=found.opened_at,
        closed_at=found.closed_at,
        ending=Ending(found.ending) if found.ending else None,
        reason=found.ending_reason,
        by_alarm=found.alarm_id is not None or found.opened_by == row.id,
        waited_seconds=waited(session, found.id),
    )


def heard(session: Session, row: DrillRow) -> Heard:
    """How the alarms of the drill's scenario have reached Backstop since its fault is there."""
    if row.intent_at is None:
        return Heard.NOT
    bodies = session.scalars(
        select(AlarmRow.body).where(
            AlarmRow.environment == row.environment,
            AlarmRow.scenario == row.scenario,
            AlarmRow.received_at >= row.intent_at,
            AlarmRow.status == AlarmStatus.ALARM.value,
        )
    ).all()
    if any(ASKED_FOR not in body for body in bodies):
        return Heard.DELIVERED
    return Heard.ASKED if bodies else Heard.NOT


def others(session: Session, row: DrillRow) -> tuple[Sequence[str], Sequence[str]]:
    """What came up beside a drill since its fault: other incidents, and names of alarms that lead elsewhere."""
    if row.intent_at is None:
        return (), ()
    incidents = select(IncidentRow.id).where(
        IncidentRow.opened_at >= row.intent_at,
        IncidentRow.rehearsal.is_(False),
        or_(IncidentRow.environment != row.environment, IncidentRow.scenario != row.scenario),
    )
    alarms = select(AlarmRow.name).where(
        AlarmRow.received_at >= row.intent_at,
        AlarmRow.state != _IGNORED,
        or_(AlarmRow.environment != row.environment, AlarmRow.scenario != row.scenario),
    )
    return session.scalars(incidents).all(), session.scalars(alarms.distinct()).all()
