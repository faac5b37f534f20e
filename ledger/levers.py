"""The stop lever: while it is pulled nothing acts, in one environment or everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import LeverRow, table_of

EVERYWHERE = "all"
_LEVERS = table_of(LeverRow)


class Lever(NamedTuple):
    """A pulled lever: what it stops, since when, by whom and why."""

    scope: str
    stopped_at: datetime
    stopped_by: str
    reason: str


def pull(session: Session, scope: str, by: str, reason: str, at: datetime) -> None:
    """Stop all acting in a scope: an environment's name, or `all`."""
    session.merge(LeverRow(scope=scope, stopped_at=at, stopped_by=by, reason=reason))
    session.flush()


def let_go(session: Session, scope: str) -> bool:
    """Allow acting again; false when the lever was not pulled."""
    row = session.get(LeverRow, scope)
    if row is not None:
        session.delete(row)
        session.flush()
    return row is not None


def pulled(session: Session, environment: str) -> Lever | None:
    """The lever that stops this environment, if any; the one for everything goes before its own."""
    row = _LEVERS.c
    wanted = select(row.scope, row.stopped_at, row.stopped_by, row.reason)
    found = session.execute(wanted.where(row.scope.in_((EVERYWHERE, environment)))).all()
    levers = [Lever._make(each) for each in found]
    return max(levers, key=lambda lever: lever.scope == EVERYWHERE, default=None)
