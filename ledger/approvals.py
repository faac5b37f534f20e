"""People's answers to plans: bound to a digest, expiring, used once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger import timeline
from ledger.models import ApprovalRow, IncidentRow, PlanRow
from rules.approvals import Answer, Decision, same_person
from rules.errors import RecoveryRefused
from rules.outcomes import Phase
from rules.redaction import redact

LIFE = timedelta(minutes=15)
"""How long an answer can be used after it was given."""


def give(session: Session, incident_id: str, digest: str, answer: Answer, at: datetime) -> None:
    """Record one person's answer to the plan an incident waits with.

    Raises:
        RecoveryRefused: no such open incident, another plan, or that person has answered already; an answer
            that has run out may be given again.
    """
    incident = session.get(IncidentRow, incident_id, with_for_update=True)
    if incident is None or incident.closed_at is not None:
        raise RecoveryRefused(
            f"There is no open incident {incident_id}.", hint="`backstop incidents --open` lists them."
        )
    plan = session.get(PlanRow, incident.plan_id) if incident.plan_id else None
    if plan is None or plan.digest != digest or plan.state != "pinned":
        waiting = plan.digest[:12] if plan and plan.state == "pinned" else "nothing"
        raise RecoveryRefused(
            f"{incident_id} does not wait for an approval of plan {digest[:12]}; it waits for {waiting}.",
            hint=f"What was observed has changed: read the plan again with `backstop show {incident_id}`.",
        )
    row = next(
        (r for r in _rows(session, incident_id, digest) if same_person(r.approver, answer.approver)), None
    )
    if row is None:
        row = ApprovalRow(incident_id=incident_id, digest=digest, approver=answer.approver)
        session.add(row)
    elif row.used_at is not None or row.expires_at > at:
        raise RecoveryRefused(
            f"{answer.approver} has answered this plan already.",
            hint="A second approval must come from somebody else.",
        )
    row.decision, row.comment, row.source = answer.decision.value, redact(answer.comment), answer.source
    row.decided_at, row.expires_at = at, at + LIFE
    timeline.append(
        session,
        incident_id,
        at=at,
        phase=Phase(incident.phase),
        kind="approval",
        text=f"{answer.decision.value} by {answer.approver} through {answer.source}",
        data={"digest": digest, "comment": answer.comment},
    )


def answers(session: Session, incident_id: str, digest: str, at: datetime) -> list[Answer]:
    """The answers to this plan that can still be used, oldest first."""
    return [
        Answer(
            decision=Decision(row.decision),
            approver=row.approver,
            comment=row.comment,
            source=row.source,
            at=row.decided_at,
        )
        for row in _rows(session, incident_id, digest)
        if row.used_at is None and row.expires_at > at
    ]


def use(session: Session, incident_id: str, digest: str, at: datetime) -> None:
    """Mark the answers to this plan as used: each serves for one acting only.

    Belongs in the transaction that begins to act: a run that dies before it may still use them.
    """
    for row in _rows(session, incident_id, digest):
        row.used_at = row.used_at or at


def _rows(session: Session, incident_id: str, digest: str) -> list[ApprovalRow]:
    wanted = select(ApprovalRow).where(ApprovalRow.incident_id == incident_id, ApprovalRow.digest == digest)
    return list(session.scalars(wanted.order_by(ApprovalRow.id)))
