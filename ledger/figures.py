"""What the ledger says in numbers, for Prometheus. Rehearsals are left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from ledger.models import IncidentRow

_REAL = IncidentRow.rehearsal.is_(False)


def by_ending(session: Session) -> dict[tuple[str, str, str], int]:
    """How many incidents there are, by scenario, environment and ending (`open` where there is none yet)."""
    columns = (IncidentRow.scenario, IncidentRow.environment, IncidentRow.ending)
    counted = select(*columns, func.count()).where(_REAL).group_by(*columns)
    found: dict[tuple[str, str, str], int] = {}
    for scenario, environment, ending, number in session.execute(counted):
        found[scenario, environment, ending or "open"] = number
    return found


def oldest_open(session: Session) -> dict[tuple[str, str], datetime]:
    """When the oldest open incident was opened, by scenario and environment."""
    pair = (IncidentRow.scenario, IncidentRow.environment)
    wanted = select(*pair, func.min(IncidentRow.opened_at)).where(_REAL, IncidentRow.closed_at.is_(None))
    return {(scenario, place): at for scenario, place, at in session.execute(wanted.group_by(*pair))}


def closed_after(session: Session, moment: datetime | None) -> Sequence[Row[Any]]:
    """Incidents that were closed after a moment (None: ever): id, scenario, ending, times, seconds by phase."""
    wanted = select(
        IncidentRow.id,
        IncidentRow.scenario,
        IncidentRow.ending,
        IncidentRow.opened_at,
        IncidentRow.closed_at,
        IncidentRow.seconds,
    ).where(_REAL, IncidentRow.closed_at.is_not(None))
    if moment is not None:
        wanted = wanted.where(IncidentRow.closed_at > moment)
    return session.execute(wanted).all()
