"""Which backups open incidents name: those stay, however old they are."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import IncidentRow, PlanRow, StepRow
from rules.backups import named_in


def referenced(session: Session, environment: str) -> dict[str, str]:
    """The backups that an environment's open incidents name, each with the incident.

    Anywhere: what was asked for, what was found, every plan and its snapshot, every step and what it did.
    """
    found: dict[str, str] = {}
    rows = session.scalars(
        select(IncidentRow).where(IncidentRow.environment == environment, IncidentRow.closed_at.is_(None))
    )
    for incident in rows:
        told: list[object] = [incident.parameters, incident.finding, incident.reason]
        for plan in session.scalars(select(PlanRow).where(PlanRow.incident_id == incident.id)):
            told += [plan.body, plan.snapshot]
        for step in session.scalars(select(StepRow).where(StepRow.incident_id == incident.id)):
            told += [step.subject, step.effect]
        for backup in named_in(json.dumps(told, default=str)):
            found[backup] = f"the open incident {incident.id}"
    return found
