"""When each environment's newest backup was begun: what is not in it would be lost."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import NewestBackupRow


def keep(session: Session, environment: str, backup: str, began_at: datetime) -> None:
    """Write that a backup was made, unless a newer one is known."""
    row = session.get(NewestBackupRow, environment, with_for_update=True)
    if row is None:
        session.add(NewestBackupRow(environment=environment, backup=backup, began_at=began_at))
    elif began_at > row.began_at:
        row.backup, row.began_at = backup, began_at


def listed(session: Session) -> list[NewestBackupRow]:
    """One for each environment that has one, by name."""
    return list(session.scalars(select(NewestBackupRow).order_by(NewestBackupRow.environment)))
