"""AWS accounts in which nothing but production's own environments may act: a test did harm there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import BlockedAccountRow


def block(session: Session, account: str, by: str, reason: str, at: datetime) -> bool:
    """Put an account on the list; false when it was there already, and then it stays as it was."""
    if session.get(BlockedAccountRow, account) is not None:
        return False
    session.add(BlockedAccountRow(account=account, blocked_at=at, blocked_by=by, reason=reason))
    session.flush()
    return True


def take_off(session: Session, account: str) -> bool:
    """Take an account off the list; false when it was not on it."""
    row = session.get(BlockedAccountRow, account)
    if row is not None:
        session.delete(row)
        session.flush()
    return row is not None


def on_the_list(session: Session) -> dict[str, str]:
    """Every blocked account and why."""
    rows = session.scalars(select(BlockedAccountRow).order_by(BlockedAccountRow.account))
    return {row.account: row.reason for row in rows}
