"""The seal of an ended incident: a hash over everything it rests on, kept in the last links of its chain.

The timeline's chain shows that no entry was changed; the seal, which is in the entry of the ending, that no plan,
approval or step was, nor what the incident found and how it ended. What goes on after the ending is no part of it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ledger.models import ApprovalRow, IncidentRow, PlanRow, StepRow
from ledger.tables import Base, table_of

SEAL = "seal"
"""Name in the data of the ending's entry."""

_GOES_ON = {"alarm_id", "flow_run_id", "phase", "plan_id", "runs", "seconds", "head", "closed_at"}
"""Columns of an incident that change after its ending."""
_BORN: dict[type[Base], InstrumentedAttribute[datetime]] = {
    PlanRow: PlanRow.pinned_at,
    ApprovalRow: ApprovalRow.decided_at,
    StepRow: StepRow.intent_at,
}
"""When a row came to be: one that comes after the ending is no part of it, such as an answer that came too late."""


def seal_of(session: Session, incident_id: str, ended_at: datetime) -> str:
    """SHA-256 over an incident and its plans, approvals and steps, as the database has them now."""
    session.flush()
    incidents = table_of(IncidentRow)
    fixed = [column for column in incidents.c if column.name not in _GOES_ON]
    told: list[Any] = [[*row] for row in session.execute(select(*fixed).where(incidents.c.id == incident_id))]
    for kind, born in _BORN.items():
        table = table_of(kind)
        wanted = select(table).where(table.c.incident_id == incident_id, born <= ended_at)
        told.append([[*row] for row in session.execute(wanted.order_by(table.c.id))])
    plain = json.dumps(told, sort_keys=True, separators=(",", ":"), default=datetime.isoformat)
    return hashlib.sha256(plain.encode()).hexdigest()
