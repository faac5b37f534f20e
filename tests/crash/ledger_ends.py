"""What a ledger must look like when nothing was left behind."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from ledger import timeline
from ledger.database import open_ledger
from ledger.models import EscalationRow, IncidentRow, LeaseRow


def left_behind(home: Path) -> list[str]:
    """Held leases, open incidents, escalations that would still page, broken timelines."""
    found = []
    with open_ledger(f"sqlite:///{home / 'ledger.db'}").reading() as session:
        for lease in session.scalars(select(LeaseRow).where(LeaseRow.incident_id.is_not(None))):
            found.append(f"lease of {lease.environment} held for {lease.incident_id}")
        for row in session.scalars(select(IncidentRow)):
            if row.closed_at is None:
                found.append(f"{row.id} is open")
            if timeline.broken_at(session, row.id) is not None:
                found.append(f"{row.id} has a broken timeline")
        pending = select(EscalationRow).where(
            EscalationRow.cancelled_at.is_(None), EscalationRow.sent_at.is_(None)
        )
        for level in session.scalars(pending):
            found.append(f"level {level.level} of {level.incident_id} would still page")
    return found
