"""The stop lever: while it is pulled nothing acts, in one environment or everywhere."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ledger.models import LeverRow
from ledger.tables import table_of

EVERYWHERE = "all"
_LEVERS = table_of(LeverRow)
_PULLED = select(_LEVERS.c.scope, _LEVERS.c.stopped_at, _LEVERS.c.stopped_by, _LEVERS.c.reason).where(
    (_LEVERS.c.scope == EVERYWHERE) | (_LEVERS.c.scope == bindparam("environment"))
)


class Lever(NamedTuple):
    """A pulled lever: what it stops, since when, by whom and why."""

    scope: str
    stopped_at: datetime
    stopped_by: str
    reason: str

    @property
    def told(self) -> str:
        """What it is and who pulled it: `stop lever (all) was pulled by Ada`."""
        return f"stop lever ({self.scope}) was pulled by {self.stopped_by}"


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
    found = session.execute(_PULLED, {"environment": environment}).all()
    levers = [Lever._make(each) for each in found]
    return max(levers, key=lambda lever: lever.scope == EVERYWHERE, default=None)
