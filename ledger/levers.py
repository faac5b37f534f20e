"""The stop lever: while it is pulled nothing acts, in one environment or everywhere."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import LeverRow

EVERYWHERE = "all"


def pull(session: Session, scope: str, by: str, reason: str, at: datetime) -> None:
    """Stop all acting in a scope: an environment's name, or `all`."""
    session.merge(LeverRow(scope=scope, stopped_at=at, stopped_by=by, reason=reason))


def let_go(session: Session, scope: str) -> bool:
    """Allow acting again; false when the lever was not pulled."""
    row = session.get(LeverRow, scope)
    if row is not None:
        session.delete(row)
        session.flush()
    return row is not None


def pulled(session: Session, environment: str) -> LeverRow | None:
    """The lever that stops this environment, if any."""
    found = session.scalars(select(LeverRow).where(LeverRow.scope.in_((EVERYWHERE, environment)))).all()
    return max(found, key=lambda lever: lever.scope == EVERYWHERE, default=None)
