"""Since when each scenario is ready or not in each environment, and who has heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import ReadinessRow
from rules.readiness import Standing, State


def keep(session: Session, standings: Sequence[Standing], at: datetime) -> list[ReadinessRow]:
    """Write how things stand; returns what is not ready and nobody has heard of.

    `since` moves only when the state changes. Who has heard of it counts until it is ready again: something that
    cannot be looked at for a while is not told anew.
    """
    untold = []
    for standing in standings:
        row = session.get(ReadinessRow, (standing.environment, standing.scenario), with_for_update=True)
        if row is None:
            row = ReadinessRow(environment=standing.environment, scenario=standing.scenario)
            row.state, row.since = standing.state.value, at
            session.add(row)
        elif row.state != standing.state.value:
            row.state, row.since = standing.state.value, at
        if standing.state is State.READY:
            row.told_at = None
        row.checked_at, row.reasons = at, {"reasons": list(standing.reasons), "todo": list(standing.todo)}
        if standing.state is State.NOT_READY and row.told_at is None:
            untold.append(row)
    session.flush()
    return untold


def forget_others(session: Session, environment: str, scenarios: Sequence[str]) -> None:
    """Drop what no longer exists in an environment."""
    for row in session.scalars(select(ReadinessRow).where(ReadinessRow.environment == environment)):
        if row.scenario not in scenarios:
            session.delete(row)


def mark_told(session: Session, rows: Sequence[ReadinessRow], at: datetime) -> None:
    """Write that people have heard of these."""
    for row in rows:
        session.get_one(ReadinessRow, (row.environment, row.scenario)).told_at = at


def listed(session: Session) -> list[ReadinessRow]:
    """Everything, by environment and scenario."""
    return list(
        session.scalars(select(ReadinessRow).order_by(ReadinessRow.environment, ReadinessRow.scenario))
    )
