"""One incident, read from the ledger in one go: what reports, pages and artifacts are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger import escalations, timeline
from ledger.incidents import phase_seconds
from ledger.models import (
    AlarmRow,
    ApprovalRow,
    EscalationRow,
    IncidentRow,
    NoticeRow,
    PlanRow,
    StepRow,
    TimelineRow,
)
from ledger.plans import seconds_taken
from rules.errors import RecoveryRefused
from rules.outcomes import Finding, Phase, Verification
from rules.plans import Plan


@dataclass(frozen=True, slots=True)
class Chapter:
    """One pinned plan and what became of it."""

    plan: Plan
    state: str
    pinned_at: datetime
    snapshot: dict[str, str]
    acting_at: datetime | None = None
    seconds_taken: float | None = None
    """From the first action to the proof; None while it is not proven."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time an incident spent in one phase; a phase may have several."""

    phase: Phase
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the ledger knows of one incident, each list in the order it happened."""

    incident: IncidentRow
    alarm: AlarmRow | None
    finding: Finding | None
    chapters: Sequence[Chapter]
    steps: Sequence[StepRow]
    approvals: Sequence[ApprovalRow]
    verification: Verification | None
    escalations: Sequence[EscalationRow]
    notices: Sequence[NoticeRow]
    entries: Sequence[TimelineRow]
    seconds: dict[Phase, float]
    broken_at: int | None
    """The first timeline entry that does not fit the hash chain, or None when it is whole."""

    @property
    def plan(self) -> Plan | None:
        """The plan that was pinned last."""
        return self.chapters[-1].plan if self.chapters else None

    @property
    def head(self) -> str:
        """The hash that stands for the whole timeline."""
        return self.entries[-1].hash if self.entries else timeline.GENESIS

    @property
    def ended_at(self) -> datetime | None:
        """When it was known how the incident ends; None while it is open."""
        return next((row.at for row in self.entries if row.kind == "ending"), self.incident.closed_at)

    @property
    def total_seconds(self) -> float:
        """Seconds from the opening to the ending, or to the last entry while it is open."""
        until = self.ended_at or (self.entries[-1].at if self.entries else self.incident.opened_at)
        return (until - self.incident.opened_at).total_seconds()

    @property
    def stretches(self) -> Sequence[Stretch]:
        """The phases as spans of time, over all runs of the incident."""
        marks = [row for row in self.entries if row.kind in ("phase", "resume")]
        begun = [(Phase(row.phase), row.at) for row in marks if row.kind == "phase"]
        last = self.incident.closed_at or (self.entries[-1].at if self.entries else self.incident.opened_at)
        ends = [at for _, at in begun[1:]] + [max(last, begun[-1][1])] if begun else []
        return [Stretch(phase, at, end) for (phase, at), end in zip(begun, ends, strict=True)]


def read_story(session: Session, incident_id: str) -> Story:
    """Read an incident's story.

    Raises:
        RecoveryRefused: there is no such incident.
    """
    row = session.get(IncidentRow, incident_id)
    if row is None:
        raise RecoveryRefused(f"There is no incident {incident_id}.", hint="`backstop incidents` lists them.")
    plans = session.scalars(select(PlanRow).where(PlanRow.incident_id == incident_id).order_by(PlanRow.id))
    return Story(
        incident=row,
        alarm=session.get(AlarmRow, row.alarm_id) if row.alarm_id else None,
        finding=Finding.model_validate(row.finding) if row.finding else None,
        chapters=[
            Chapter(
                plan=Plan.model_validate(plan.body),
                state=plan.state,
                pinned_at=plan.pinned_at,
                snapshot=dict(plan.snapshot or {}),
                acting_at=plan.acting_at,
                seconds_taken=seconds_taken(plan),
            )
            for plan in plans
        ],
        steps=list(
            session.scalars(select(StepRow).where(StepRow.incident_id == incident_id).order_by(StepRow.id))
        ),
        approvals=list(
            session.scalars(
                select(ApprovalRow).where(ApprovalRow.incident_id == incident_id).order_by(ApprovalRow.id)
            )
        ),
        verification=Verification.model_validate(row.verification) if row.verification else None,
        escalations=escalations.of_incident(session, incident_id),
        notices=list(
            session.scalars(
                select(NoticeRow).where(NoticeRow.incident_id == incident_id).order_by(NoticeRow.id)
            )
        ),
        entries=timeline.entries(session, incident_id),
        seconds=_seconds(session, row),
        broken_at=timeline.broken_at(session, incident_id),
    )


def _seconds(session: Session, row: IncidentRow) -> dict[Phase, float]:
    """As written at the closing; what came after (a page that went out late) is no phase of the recovery."""
    told = row.seconds or {phase.value: taken for phase, taken in phase_seconds(session, row.id).items()}
    return {phase: float(told[phase.value]) for phase in Phase if phase.value in told}
