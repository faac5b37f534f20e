"""Who is to be told when, if an incident is still open then."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledger.models import EscalationRow


def plan_level(session: Session, incident_id: str, level: int, name: str, due_at: datetime) -> EscalationRow:
    """Write that a level is due at a time; a level that was written before stays as it is."""
    row = session.scalars(
        select(EscalationRow).where(EscalationRow.incident_id == incident_id, EscalationRow.level == level)
    ).first()
    if row is None:
        row = EscalationRow(incident_id=incident_id, level=level, name=name, due_at=due_at)
        session.add(row)
        session.flush()
    return row


def of_incident(session: Session, incident_id: str) -> list[EscalationRow]:
    """All levels of an incident, first level first."""
    wanted = select(EscalationRow).where(EscalationRow.incident_id == incident_id)
    return list(session.scalars(wanted.order_by(EscalationRow.level)))


def cancel_all(session: Session, incident_id: str, at: datetime) -> None:
    """Cancel every level that was not sent."""
    session.execute(
        update(EscalationRow)
        .where(
            EscalationRow.incident_id == incident_id,
            EscalationRow.sent_at.is_(None),
            EscalationRow.cancelled_at.is_(None),
        )
        .values(cancelled_at=at)
    )


def due(session: Session, at: datetime) -> list[EscalationRow]:
    """Levels whose time has come and that were neither sent nor cancelled."""
    wanted = select(EscalationRow).where(
        EscalationRow.due_at <= at, EscalationRow.sent_at.is_(None), EscalationRow.cancelled_at.is_(None)
    )
    return list(session.scalars(wanted.order_by(EscalationRow.due_at)))
