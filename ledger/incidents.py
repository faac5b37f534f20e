"""Opening, taking over, closing and reading incidents."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger import escalations, leases, timeline
from ledger.cases import Case, now
from ledger.database import Ledger
from ledger.holders import Holder
from ledger.models import IncidentRow, LeaseRow, StepRow, TimelineRow
from ledger.seals import SEAL, seal_of
from rules.errors import AlreadyHandled
from rules.outcomes import Ending, Finding, Phase
from rules.redaction import redact

NOBODY_NEEDED = (Ending.RECOVERED.value, Ending.NOTHING_TO_DO.value, Ending.REHEARSED.value)
"""Endings after which nobody has to be paged."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known when an incident is opened. `budget_seconds` is the runbook's promise."""

    scenario: str
    environment: str
    tier: str
    budget_seconds: float
    rehearsal: bool = False
    opened_by: str = ""
    reason: str = ""
    alarm_id: str | None = None
    flow_run_id: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


def new_id(at: datetime, kind: str = "inc") -> str:
    """An id that sorts by time and can be read out on the phone, e.g. `inc-20260131-0312-k7qd2m`."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return f"{kind}-{at:%Y%m%d-%H%M}-" + "".join(secrets.choice(letters) for _ in range(6))


def open_case(ledger: Ledger, opening: Opening, holder: Holder, lease_seconds: float) -> Case:
    """Open an incident with its environment's lease, or take over an open one whose holder is gone.

    Raises:
        AlreadyHandled: a live run works on the same scenario in the same environment.
        LeaseHeld: another scenario's incident holds the environment.
    """
    if opening.rehearsal:
        return _rehearsal(ledger, opening, lease_seconds)
    with ledger.session("open the incident") as session:
        lease = leases.locked_row(session, opening.environment)  # also keeps two openers apart
        row = open_row(session, opening.scenario, opening.environment)
        at = now()
        if row and lease.incident_id == row.id and leases.is_alive(lease, at):
            raise AlreadyHandled(
                f"{row.id} is being handled by {Holder.model_validate(lease.holder)}.",
                hint=f"Follow it with `backstop show {row.id}`.",
            )
        resumed = row is not None
        if row is None:
            row = _new_row(opening, at)
            session.add(row)
            session.flush()
        fence = leases.acquire(session, opening.environment, row.id, holder, at, lease_seconds)
        case = Case(
            ledger,
            row.id,
            opening.scenario,
            opening.environment,
            fence,
            lease_seconds,
            resumed=resumed,
            phase=Phase(row.phase),
            plan_id=row.plan_id,
        )
        if resumed:
            row.runs += 1
            row.flow_run_id = opening.flow_run_id or row.flow_run_id
            case.append(session, "resume", f"taken over by {holder} with fencing number {fence}")
        else:
            _open_entry(case, session, opening, holder)
    return case


def _rehearsal(ledger: Ledger, opening: Opening, lease_seconds: float) -> Case:
    with ledger.session("open the rehearsal") as session:
        row = _new_row(opening, now())
        session.add(row)
        session.flush()
        case = Case(ledger, row.id, opening.scenario, opening.environment, 0, lease_seconds, rehearsal=True)
        _open_entry(case, session, opening, None)
    return case


def _new_row(opening: Opening, at: datetime) -> IncidentRow:
    return IncidentRow(
        id=new_id(at),
        scenario=opening.scenario,
        environment=opening.environment,
        tier=opening.tier,
        rehearsal=opening.rehearsal,
        opened_at=at,
        opened_by=redact(opening.opened_by),
        reason=redact(opening.reason),
        alarm_id=opening.alarm_id,
        flow_run_id=opening.flow_run_id,
        parameters=redact(opening.parameters),
        budget_seconds=opening.budget_seconds,
        phase=Phase.DETECT.value,
    )


def _open_entry(case: Case, session: Session, opening: Opening, holder: Holder | None) -> None:
    told = (
        "rehearsal opened"
        if opening.rehearsal
        else f"incident opened by {holder}, fencing number {case.fence}"
    )
    data = {"requested_by": opening.opened_by, "reason": opening.reason, "alarm": opening.alarm_id}
    case.append(session, "opened", told, data)


def keep_finding(case: Case, finding: Finding) -> None:
    """Write what detection saw: a resumed run goes on from it."""
    with case.writing("the finding") as session:
        row = case.incident(session)
        row.finding = redact(finding.model_dump(mode="json"))
        row.severity = finding.severity.value
        case.append(session, "finding", f"{finding.health.verdict.value}: {finding.summary}", row.finding)


def stored_finding(case: Case) -> Finding | None:
    """What detection saw in this or an earlier run of the incident."""
    with case.ledger.reading() as session:
        kept = case.incident(session).finding
    return Finding.model_validate(kept) if kept else None


def has_acted(case: Case) -> bool:
    """Whether any action of this incident was at least begun."""
    with case.ledger.reading() as session:
        return (
            session.scalars(
                select(StepRow.id).where(StepRow.incident_id == case.incident_id).limit(1)
            ).first()
            is not None
        )


def decide_ending(case: Case, ending: Ending, reason: str, hint: str) -> None:
    """Write how the incident ends; it stays open, with its lease, until the report is written."""
    with case.writing("the ending") as session:
        row = case.incident(session)
        if row.ending is not None:
            return
        row.ending, row.ending_reason, row.ending_hint = ending.value, redact(reason), redact(hint)
        at = now()
        told = {SEAL: seal_of(session, case.incident_id, at), **({"hint": hint} if hint else {})}
        case.append(session, "ending", f"{ending.value}: {reason}", told, at=at)


def ending_of(case: Case) -> tuple[Ending, str, str] | None:
    """The ending that was written already, with its reason and hint."""
    with case.ledger.reading() as session:
        row = case.incident(session)
        return (Ending(row.ending), row.ending_reason, row.ending_hint) if row.ending else None


def close_case(case: Case) -> None:
    """Close the incident and give the lease back; cancels its escalations where nobody is needed any more."""
    with case.writing("close the incident") as session:
        row = case.incident(session)
        row.closed_at = now()
        row.seconds = {
            phase.value: taken for phase, taken in phase_seconds(session, case.incident_id).items()
        }
        if row.ending in NOBODY_NEEDED:
            escalations.cancel_all(session, case.incident_id, now())
        if not case.rehearsal:
            leases.release(session, case.environment, case.fence)


def phase_seconds(session: Session, incident_id: str) -> dict[Phase, float]:
    """Seconds spent in each phase so far, over all runs of the incident, read from its timeline."""
    taken: dict[Phase, float] = {}
    rows = timeline.entries(session, incident_id)
    for row, following in itertools.pairwise(rows):
        phase = Phase(row.phase)
        taken[phase] = round(taken.get(phase, 0.0) + (following.at - row.at).total_seconds(), 3)
    return taken


def open_row(session: Session, scenario: str, environment: str) -> IncidentRow | None:
    """The open incident of a scenario in an environment, if there is one."""
    wanted = select(IncidentRow).where(
        IncidentRow.scenario == scenario,
        IncidentRow.environment == environment,
        IncidentRow.closed_at.is_(None),
        IncidentRow.rehearsal.is_(False),
    )
    return session.scalars(wanted).first()


def listed(
    session: Session, *, environment: str | None = None, open_only: bool = False, most: int = 50
) -> list[IncidentRow]:
    """The newest incidents first."""
    wanted = select(IncidentRow).order_by(IncidentRow.opened_at.desc()).limit(most)
    if environment:
        wanted = wanted.where(IncidentRow.environment == environment)
    if open_only:
        wanted = wanted.where(IncidentRow.closed_at.is_(None))
    return list(session.scalars(wanted))


def orphaned(session: Session, at: datetime) -> list[IncidentRow]:
    """Open incidents whose run is dead: nobody alive holds their lease."""
    rows = session.scalars(
        select(IncidentRow).where(IncidentRow.closed_at.is_(None), IncidentRow.rehearsal.is_(False))
    )
    found = []
    for row in rows:
        lease = session.get(LeaseRow, row.environment)
        if lease is None or lease.incident_id != row.id or not leases.is_alive(lease, at):
            found.append(row)
    return found


def note_once(
    session: Session, incident_id: str, kind: str, text: str, data: dict[str, Any] | None = None
) -> bool:
    """Note on an incident's timeline what its run did not do itself; false when that was noted before."""
    told_before = select(TimelineRow.id).where(
        TimelineRow.incident_id == incident_id, TimelineRow.kind == kind, TimelineRow.text == text
    )
    if session.scalars(told_before.limit(1)).first() is not None:
        return False
    phase = Phase(session.get_one(IncidentRow, incident_id).phase)
    timeline.append(session, incident_id, at=now(), phase=phase, kind=kind, text=text, data=data)
    return True
