"""An incident's timeline: phases, decisions and reasons, each entry chained to the one before by a hash."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from ledger.models import IncidentRow, TimelineRow, table_of
from ledger.storable import storable, storable_text
from rules.outcomes import Phase
from rules.redaction import redact

GENESIS = "0" * 64
_INCIDENTS, _TIMELINE = table_of(IncidentRow), table_of(TimelineRow)


def append(
    session: Session,
    incident_id: str,
    *,
    at: datetime,
    phase: Phase,
    kind: str,
    text: str,
    data: dict[str, Any] | None = None,
    fence: int = 0,
) -> None:
    """Add one entry, redacted, at the end of the chain. The caller's transaction commits it.

    Raises:
        sqlalchemy.exc.NoResultFound: there is no such incident.
    """
    session.flush()
    incident = _INCIDENTS.c.id == incident_id
    session.execute(select(_INCIDENTS.c.id).where(incident).with_for_update()).one()  # one writer at a time
    told = _TIMELINE.c
    chain = select(told.number, told.hash).where(told.incident_id == incident_id)
    last = session.execute(chain.order_by(told.number.desc()).limit(1)).first()
    row = TimelineRow(
        incident_id=incident_id,
        number=last.number + 1 if last else 1,
        at=at.astimezone(UTC),
        fence=fence,
        phase=phase.value,
        kind=kind,
        text=storable_text(redact(text)),
        data=storable(redact(data or {})),
        previous=last.hash if last else GENESIS,
    )
    row.hash = entry_hash(row)
    # Plain statements: every action waits for this, and the incident carries whole findings and verifications.
    written = {column.name: getattr(row, column.name) for column in told if column.name != "id"}
    session.execute(insert(_TIMELINE).values(written))
    session.execute(update(_INCIDENTS).where(incident).values(head=row.hash))


def entries(session: Session, incident_id: str, after: int = 0) -> list[TimelineRow]:
    """The entries with a number above `after`, in order."""
    wanted = select(TimelineRow).where(TimelineRow.incident_id == incident_id, TimelineRow.number > after)
    return list(session.scalars(wanted.order_by(TimelineRow.number)))


def broken_at(session: Session, incident_id: str) -> int | None:
    """The number of the first entry that is missing or does not fit its chain, or None when it is whole."""
    previous, rows = GENESIS, entries(session, incident_id)
    for number, row in enumerate(rows, start=1):
        if row.number != number or row.previous != previous or row.hash != entry_hash(row):
            return number
        previous = row.hash
    head = session.scalars(select(IncidentRow.head).where(IncidentRow.id == incident_id)).one_or_none()
    return None if previous == (head or GENESIS) else len(rows) + 1


def entry_hash(row: TimelineRow) -> str:
    """SHA-256 over the entry and the hash before it."""
    told = [
        row.incident_id,
        row.number,
        row.at.isoformat(timespec="microseconds"),
        row.fence,
        row.phase,
        row.kind,
        row.text,
        row.data,
        row.previous,
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def incidents_with_a_broken_chain(session: Session) -> list[str]:
    """Every incident whose timeline was altered; for `backstop doctor`."""
    ids = session.scalars(select(IncidentRow.id).order_by(IncidentRow.opened_at))
    return [incident for incident in list(ids) if broken_at(session, incident) is not None]
