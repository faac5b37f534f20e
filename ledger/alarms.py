"""The inbox: alarms are stored before they are answered, placed once, and dispatched until that has worked.

stored      kept; with an `incident_key` it has been placed and its flow run is (again) to be asked for
dispatched  its flow run exists, or it joined an incident that was there
ignored     starts nothing; `error` says why
failed      there is no run for it; `error` says why, and people were paged
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, CursorResult, Table, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from ledger.database import Ledger
from ledger.models import AlarmRow
from ledger.storable import Document

ASKED_FOR = "asked_for"
"""In the body of an alarm that nobody delivered: it was found by asking what fires."""
_LARGEST_BATCH = 500
"""Rows in one statement: SQLite allows 32,766 variables."""
_TABLE = cast("Table", AlarmRow.__table__)
# Written out, because SQLAlchemy compiles an insert with ON CONFLICT anew each time. Both databases read it.
_COLUMNS = list(_TABLE.c)
_NAMES, _VALUES = (", ".join(f"{mark}{column.name}" for column in _COLUMNS) for mark in ("", ":"))
_INSERT = text(
    f"INSERT INTO alarms ({_NAMES}) VALUES ({_VALUES}) "  # noqa: S608 - the names are our own columns'
    "ON CONFLICT (source, external_id) DO NOTHING"
).bindparams(
    # rules/alarms.py has taken out what a database refuses; Document would search every text of a storm again.
    *(bindparam(c.name, type_=JSON() if isinstance(c.type, Document) else c.type) for c in _COLUMNS)
)
_LATER = {"incident_key": None, "attempts": 0, "flow_run_id": None, "dispatched_at": None}


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """One delivery to keep. `body` and `parameters` are redacted already."""

    id: str
    source: str
    external_id: str
    received_at: datetime
    occurred_at: datetime
    name: str
    status: str
    state: str
    body: dict[str, Any] = field(default_factory=dict)
    scenario: str | None = None
    environment: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """What an incident is one of: a scenario in an environment."""

    scenario: str
    environment: str


def new_id(at: datetime) -> str:
    """An alarm id that sorts by time of arrival."""
    return f"alm-{int(at.timestamp() * 1000):012x}{secrets.token_hex(6)}"


def store(ledger: Ledger, alarms: Sequence[NewAlarm]) -> set[str]:
    """Keep the alarms in one transaction; return the ids that are new. The others were delivered before.

    Raises:
        RecoveryRefused: the ledger cannot be written; none is kept.
    """
    new: set[str] = set()
    with ledger.session("store alarms") as session:
        connection = session.connection()
        for start in range(0, len(alarms), _LARGEST_BATCH):
            rows = [_columns(alarm) for alarm in alarms[start : start + _LARGEST_BATCH]]
            ids = {str(row["id"]) for row in rows}
            if connection.execute(_INSERT, rows).rowcount != len(rows):  # some were there before: which?
                ids = set(connection.execute(select(_TABLE.c.id).where(_TABLE.c.id.in_(ids))).scalars())
            new |= ids
    return new


def _columns(alarm: NewAlarm) -> dict[str, Any]:
    # dataclasses.asdict would copy every JSON column deeply, which costs more than the insert.
    return {name: getattr(alarm, name) for name in NewAlarm.__slots__} | _LATER


def delivered(session: Session, source: str, external_ids: Sequence[str]) -> set[str]:
    """Those of a source's external ids that are kept already."""
    found: set[str] = set()
    for start in range(0, len(external_ids), _LARGEST_BATCH):
        these = _TABLE.c.external_id.in_(external_ids[start : start + _LARGEST_BATCH])
        found |= set(
            session.execute(select(_TABLE.c.external_id).where(_TABLE.c.source == source, these)).scalars()
        )
    return found


def waiting(session: Session) -> list[Pair]:
    """The pairs that have stored alarms, longest waiting first."""
    wanted = (
        select(AlarmRow.scenario, AlarmRow.environment)
        .where(AlarmRow.state == "stored", AlarmRow.scenario.is_not(None))
        .group_by(AlarmRow.scenario, AlarmRow.environment)
        .order_by(func.min(AlarmRow.received_at))
    )
    return [Pair(scenario, environment) for scenario, environment in session.execute(wanted)]


def mark_dispatched(ledger: Ledger, key: str, flow_run_id: str, now: datetime) -> int:
    """Write that the run of `key` exists; returns how many alarms that settled."""
    values = {"state": "dispatched", "flow_run_id": flow_run_id, "dispatched_at": now, "error": ""}
    return _change(ledger, key, "stored", "run asked for", **values)


def mark_failed(ledger: Ledger, key: str, error: str) -> int:
    """Write that Prefect refused the run of `key` for good; returns how many alarms that concerns."""
    return _change(ledger, key, "stored", "run refused", state="failed", error=error)


def mark_died(ledger: Ledger, key: str, error: str) -> int:
    """Write that the run of `key` ended before it opened its incident; returns how many alarms had it."""
    return _change(ledger, key, "dispatched", "run died early", state="failed", error=error)


def count_attempt(ledger: Ledger, key: str, error: str) -> None:
    """Write that asking for the run of `key` did not work and will be tried again."""
    _change(ledger, key, "stored", "run not asked for", attempts=AlarmRow.attempts + 1, error=error)


def _change(ledger: Ledger, key: str, state_now: str, what: str, **values: Any) -> int:
    wanted = update(AlarmRow).where(AlarmRow.incident_key == key, AlarmRow.state == state_now)
    with ledger.session(what) as session:
        return cast("CursorResult[Any]", session.execute(wanted.values(**values))).rowcount


def by_state(session: Session) -> dict[tuple[str, str], int]:
    """How many alarms there are, by source and state."""
    counted = select(AlarmRow.source, AlarmRow.state, func.count()).group_by(AlarmRow.source, AlarmRow.state)
    return {(source, state): number for source, state, number in session.execute(counted)}


def oldest_waiting(session: Session, pair: Pair | None = None) -> datetime | None:
    """When the alarm arrived that has waited longest for its run, of one pair or of all."""
    wanted = select(AlarmRow.received_at).where(AlarmRow.state == "stored")
    if pair is not None:
        wanted = wanted.where(AlarmRow.scenario == pair.scenario, AlarmRow.environment == pair.environment)
    return session.scalars(wanted.order_by(AlarmRow.received_at).limit(1)).first()


def prove_writable(ledger: Ledger) -> None:
    """Write to the inbox without changing it.

    Raises:
        RecoveryRefused: the ledger cannot be written.
    """
    with ledger.session() as session:
        newest = select(AlarmRow.id).order_by(AlarmRow.received_at.desc()).limit(1).scalar_subquery()
        session.execute(update(AlarmRow).where(AlarmRow.id == newest).values(attempts=AlarmRow.attempts))
