"""An incident's timeline: phases, decisions and reasons, each entry chained to the one before by a hash."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, insert, select, update
from sqlalchemy.orm import Session

from ledger.models import IncidentRow, TimelineRow
from ledger.seals import SEAL, seal_of
from ledger.storable import storable, storable_text
from ledger.tables import table_of
from rules.outcomes import Phase
from rules.redaction import redact

GENESIS = "0" * 64
_INCIDENTS, _TIMELINE = table_of(IncidentRow), table_of(TimelineRow)
_COLUMNS = [column.name for column in _TIMELINE.c if column.name != "id"]
# Plain statements, made once: every action waits for them, and an incident's row carries whole findings.
_OURS: BindParameter[str] = bindparam("ours")
_LOCK = select(_INCIDENTS.c.id).where(_INCIDENTS.c.id == _OURS).with_for_update()
_LAST = (
    select(_TIMELINE.c.number, _TIMELINE.c.hash)
    .where(_TIMELINE.c.incident_id == _OURS)
    .order_by(_TIMELINE.c.number.desc())
    .limit(1)
)
_ADD = insert(_TIMELINE)
_HEAD = update(_INCIDENTS).where(_INCIDENTS.c.id == _OURS).values(head=bindparam("newest"))


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
    ours = {"ours": incident_id}
    session.execute(_LOCK, ours).one()  # one writer at a time
    last = session.execute(_LAST, ours).first()
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
    session.execute(_ADD, {name: getattr(row, name) for name in _COLUMNS})
    session.execute(_HEAD, ours | {"newest": row.hash})


def entries(session: Session, incident_id: str, after: int = 0) -> list[TimelineRow]:
    """The entries with a number above `after`, in order."""
    wanted = select(TimelineRow).where(TimelineRow.incident_id == incident_id, TimelineRow.number > after)
    return list(session.scalars(wanted.order_by(TimelineRow.number)))


def broken_at(session: Session, incident_id: str) -> int | None:
    """The number of the first entry that is missing or does not fit its chain, or None when it is whole.

    The ending fits when plans, approvals and steps are as they were then.
    """
    previous, rows = GENESIS, entries(session, incident_id)
    for number, row in enumerate(rows, start=1):
        if row.number != number or row.previous != previous or row.hash != entry_hash(row):
            return number
        if SEAL in row.data and row.data[SEAL] != seal_of(session, incident_id, row.at):
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
