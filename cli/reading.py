"""Incidents as they are read by people and programs: found by a few letters, told as plain data."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli.failures import WrongUsage
from cli.names import suggestion
from ledger import escalations, timeline
from ledger.models import ApprovalRow, IncidentRow, PlanRow, StepRow

LAST = "last"


def find(session: Session, typed: str, *, open_only: bool = False) -> IncidentRow:
    """The incident with that id, the only one whose id contains the text, or the newest for `last`.

    Raises:
        WrongUsage: none or several fit.
    """
    wanted = select(IncidentRow).order_by(IncidentRow.opened_at.desc())
    if open_only:
        wanted = wanted.where(IncidentRow.closed_at.is_(None), IncidentRow.rehearsal.is_(False))
    if typed == LAST:
        row = session.scalars(wanted.limit(1)).first()
        if row is None:
            raise WrongUsage(f"There is no {'open ' if open_only else ''}incident.", hint="Nothing to show.")
        return row
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", typed):
        raise WrongUsage(
            f"{typed[:40]!r} cannot be an incident.",
            hint="`backstop incidents` lists them; `last` is the newest.",
        )
    exact = session.get(IncidentRow, typed)
    if exact is not None:
        return exact
    fitting = list(session.scalars(wanted.where(IncidentRow.id.contains(typed)).limit(6)))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise WrongUsage(
            f"{typed!r} fits several incidents: {', '.join(row.id for row in fitting)}.",
            hint="Type more of it.",
        )
    newest = [row.id for row in session.scalars(wanted.limit(20))]
    raise WrongUsage(
        f"There is no incident {typed!r}.{suggestion(typed, newest) if newest else ''}",
        hint="`backstop incidents` lists them; `last` is the newest.",
    )


def summary(row: IncidentRow) -> dict[str, Any]:
    """One incident in a line's worth of data. Times are UTC in ISO 8601, durations in seconds."""
    return {
        "incident": row.id,
        "scenario": row.scenario,
        "environment": row.environment,
        "tier": row.tier,
        "rehearsal": row.rehearsal,
        "ending": row.ending,
        "phase": row.phase,
        "opened_at": row.opened_at.isoformat(),
        "closed_at": row.closed_at.isoformat() if row.closed_at else None,
        "opened_by": row.opened_by,
        "reason": row.ending_reason,
        "hint": row.ending_hint,
        "took_seconds": took(row),
        "promised_seconds": row.budget_seconds,
    }


def took(row: IncidentRow) -> float:
    """Seconds from opening to closing, or until now."""
    return round(((row.closed_at or datetime.now(UTC)) - row.opened_at).total_seconds(), 3)


def whole(session: Session, row: IncidentRow) -> dict[str, Any]:
    """Everything the ledger knows about an incident."""
    plans = session.scalars(select(PlanRow).where(PlanRow.incident_id == row.id).order_by(PlanRow.id))
    answers = session.scalars(
        select(ApprovalRow).where(ApprovalRow.incident_id == row.id).order_by(ApprovalRow.id)
    )
    steps = session.scalars(select(StepRow).where(StepRow.incident_id == row.id).order_by(StepRow.id))
    return {
        **summary(row),
        "requested_because": row.reason,
        "severity": row.severity,
        "alarm": row.alarm_id,
        "flow_run": row.flow_run_id,
        "runs": row.runs,
        "parameters": row.parameters,
        "finding": row.finding,
        "seconds": row.seconds,
        "verification": row.verification,
        "plans": [
            {
                "rung": p.rung,
                "state": p.state,
                "digest": p.digest,
                "pinned_at": p.pinned_at.isoformat(),
                **p.body,
            }
            for p in plans
        ],
        "approvals": [
            {
                "decision": a.decision,
                "approver": a.approver,
                "comment": a.comment,
                "source": a.source,
                "at": a.decided_at.isoformat(),
                "digest": a.digest,
                "used": a.used_at is not None,
            }
            for a in answers
        ],
        "steps": [
            {
                "action": s.action,
                "subject": s.subject,
                "attempt": s.attempt,
                "result": s.result or "did not end",
                "error": s.error,
                "at": s.intent_at.isoformat(),
                "took_seconds": (s.result_at - s.intent_at).total_seconds() if s.result_at else None,
            }
            for s in steps
        ],
        "escalations": [
            {
                "level": e.level,
                "name": e.name,
                "due_at": e.due_at.isoformat(),
                "sent_at": e.sent_at.isoformat() if e.sent_at else None,
                "cancelled_at": e.cancelled_at.isoformat() if e.cancelled_at else None,
            }
            for e in escalations.of_incident(session, row.id)
        ],
        "timeline": [
            {"number": t.number, "at": t.at.isoformat(), "phase": t.phase, "kind": t.kind, "text": t.text}
            for t in timeline.entries(session, row.id)
        ],
        "timeline_broken_at": timeline.broken_at(session, row.id),
    }
