"""Closed incidents of a time, as a report counts them: read in a few queries, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from ledger.drill_rows import DrillRow
from ledger.models import AlarmRow, ApprovalRow, IncidentRow, PlanRow, ReleaseRow
from rules.backups import taken_at
from rules.outcomes import Ending
from rules.severity import Destructiveness
from rules.track_records import Past


def closed_between(session: Session, since: datetime, until: datetime) -> list[Past]:
    """Every incident that was closed then, the oldest first. Rehearsals are left out, and what another handled."""
    within = (
        IncidentRow.rehearsal.is_(False),
        IncidentRow.closed_at >= since,
        IncidentRow.closed_at < until,
        IncidentRow.ending != Ending.ALREADY_HANDLED.value,
    )
    proven = _proven(session, *within)
    ages, foretold, waits = _restored(proven), _foretold(proven), _waited(session, *within)
    wanted = (
        select(
            IncidentRow.id,
            IncidentRow.scenario,
            IncidentRow.environment,
            IncidentRow.ending,
            IncidentRow.opened_at,
            IncidentRow.closed_at,
            IncidentRow.seconds,
            IncidentRow.parameters,
            AlarmRow.occurred_at,
            AlarmRow.received_at,
            DrillRow.id.label("drill"),
        )
        .outerjoin(AlarmRow, AlarmRow.id == IncidentRow.alarm_id)
        .outerjoin(DrillRow, DrillRow.incident_id == IncidentRow.id)
        .where(*within)
        .order_by(IncidentRow.closed_at)
    )
    return [_past(row, ages, foretold, waits) for row in session.execute(wanted)]


def deployments(session: Session, since: datetime, until: datetime) -> dict[str, int]:
    """How many releases were recorded then, by environment."""
    counted = select(ReleaseRow.environment, func.count()).where(
        ReleaseRow.deployed_at >= since, ReleaseRow.deployed_at < until
    )
    found = session.execute(counted.group_by(ReleaseRow.environment))
    return {str(name): int(number) for name, number in found}


def waited(session: Session, incident: str) -> float:
    """Seconds that one incident waited for people."""
    return sum(_waited(session, IncidentRow.id == incident).get(incident, ()))


def _past(
    row: Row[Any],
    ages: Mapping[str, float],
    foretold: Mapping[str, list[bool]],
    waits: Mapping[str, list[float]],
) -> Past:
    occurred = row.occurred_at or row.received_at
    return Past(
        scenario=row.scenario,
        environment=row.environment,
        ending=Ending(row.ending),
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        # An alarm's own clock may be ahead of ours.
        occurred_at=min(occurred, row.opened_at) if occurred else None,
        phases={str(name): float(value) for name, value in (row.seconds or {}).items()},
        parameters={str(name): str(value) for name, value in (row.parameters or {}).items()},
        drill=row.drill is not None,
        restore_age=ages.get(row.id),
        foretold=tuple(foretold.get(row.id, ())),
        waits=tuple(waits.get(row.id, ())),
    )


def _restored(proven: Iterable[Row[Any]]) -> dict[str, float]:
    """How old the backup was whose data took the place of what was there, by incident."""
    found: dict[str, float] = {}
    for row in proven:
        kinds = {change.get("kind") for change in row.body.get("changes", ())}
        if "data" not in kinds and row.body.get("destructiveness") != Destructiveness.DESTRUCTIVE.value:
            continue
        with suppress(ValueError):  # what was there was not replaced by a backup's data
            age = row.opened_at - taken_at(str(row.body.get("target", "")))
            found[row.incident_id] = max(0.0, age.total_seconds())
    return found


def _foretold(proven: Iterable[Row[Any]]) -> dict[str, list[bool]]:
    """Whether each plan stayed within what was predicted of it, by incident; where nothing was, none."""
    found: dict[str, list[bool]] = defaultdict(list)
    for row in proven:
        bound = (row.body.get("prediction") or {}).get("bound")
        if bound is not None and row.runs == 1 and row.acting_at and row.ended_at:
            found[row.incident_id].append((row.ended_at - row.acting_at).total_seconds() <= bound)
    return found


def _proven(session: Session, *within: Any) -> list[Row[Any]]:
    """Every plan that was carried out and verified."""
    wanted = select(
        PlanRow.incident_id,
        PlanRow.body,
        PlanRow.acting_at,
        PlanRow.ended_at,
        IncidentRow.opened_at,
        IncidentRow.runs,
    ).join(IncidentRow, IncidentRow.id == PlanRow.incident_id)
    return list(session.execute(wanted.where(*within, PlanRow.state == "verified")))


def _waited(session: Session, *within: Any) -> dict[str, list[float]]:
    """How long people took to answer, by incident. What a policy answered took no time and does not count."""
    wanted = (
        select(ApprovalRow.incident_id, ApprovalRow.decided_at, PlanRow.pinned_at)
        .join(
            PlanRow,
            (PlanRow.incident_id == ApprovalRow.incident_id) & (PlanRow.digest == ApprovalRow.digest),
        )
        .join(IncidentRow, IncidentRow.id == ApprovalRow.incident_id)
        .where(*within, ApprovalRow.source != "policy")
    )
    found: dict[str, list[float]] = defaultdict(list)
    for incident, decided, pinned in session.execute(wanted):
        found[incident].append(max(0.0, (decided - pinned).total_seconds()))
    return found
