"""Which episode a stored alarm belongs to. An episode is one incident, from its first alarm to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from ledger import incidents, leases
from ledger.alarms import Pair
from ledger.database import Ledger
from ledger.models import AlarmRow, IncidentRow, LeaseRow, TimelineRow
from rules.outcomes import Ending, Phase
from rules.triggers import Placement, Standing, matter_of

_LARGEST_BATCH = 500
_RECENT = 200
"""So many alarms back an episode is looked for: in a storm a pair has thousands."""
_PLAIN: dict[str, Any] = {"execution_options": {"synchronize_session": False}}
"""No entity of these rows is in the session."""

Judge = Callable[[str, datetime, str, Standing], Placement | None]
"""Places one alarm: its id, when it fired, what it is about, and what is known. None: it waits."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A flow run that has to be asked for, under its idempotency key. `alarm` is the one it begins with."""

    key: str
    alarm: str
    name: str
    parameters: dict[str, Any]
    received_at: datetime
    attempts: int

    @property
    def run_parameters(self) -> dict[str, Any]:
        """What its flow run is given, beside the environment."""
        request = {"requested_by": "alarm", "reason": self.name, "alarm": self.alarm}
        return {**self.parameters, "request": request}


@dataclass(frozen=True, slots=True)
class Awaited:
    """A flow run that was asked for and has not opened its incident yet."""

    key: str
    pair: Pair
    flow_run_id: str
    dispatched_at: datetime


def standing(session: Session, pair: Pair, now: datetime) -> tuple[Standing, Awaited | None]:
    """What is known about a pair; with the run that it waits for, if there is one."""
    incident = _newest_incident(session, pair)
    head = _newest_head(session, pair)
    if head is not None and incident is not None and _answers(incident, head):
        head = None  # its incident tells more than it does
    awaited = None
    if head is not None and head.incident_key and head.flow_run_id and head.dispatched_at:
        awaited = Awaited(head.incident_key, pair, head.flow_run_id, head.dispatched_at)
    if incident is None:
        return Standing(key=_key(head), matter=_matter(head), awaited=head is not None), awaited
    lease = session.get(LeaseRow, pair.environment)
    held = lease is not None and lease.incident_id == incident.id and leases.is_alive(lease, now)
    begun_by = session.get(AlarmRow, incident.alarm_id) if incident.alarm_id else None
    known = Standing(
        key=_key(head) or _key(begun_by) or incident.id,
        matter=_matter(head or begun_by),
        awaited=head is not None,
        incident=incident.id,
        runs=incident.runs,
        orphaned=incident.closed_at is None and not held,
        settled_at=_last_look(session, incident),
        closed_at=incident.closed_at,
        ending=Ending(incident.ending) if incident.ending else None,
    )
    return known, awaited


def place(
    ledger: Ledger, pair: Pair, now: datetime, judge: Judge, runs_over: frozenset[str] = frozenset()
) -> list[Asked]:
    """Place every stored alarm of a pair, in one transaction; return the runs that are to be asked for.

    Two receivers on one ledger place one after the other, so that they agree on the key; Prefect makes one
    run of it. `runs_over` names flow runs that are known to have ended. What has to wait stays stored.
    """
    with ledger.session("place alarms") as session:
        # Keeps other receivers, and the opening of incidents, apart.
        leases.locked_row(session, pair.environment)
        known, awaited = standing(session, pair, now)
        over = awaited is not None and awaited.flow_run_id in runs_over
        known = known.model_copy(update={"run_is_over": over})
        joined_run = awaited.flow_run_id if awaited else _run_of(session, known)
        placed: dict[tuple[str, str | None], list[str]] = {}
        for alarm in _unplaced(session, pair):
            # A sender's clock may run ahead of ours.
            occurred = min(alarm.occurred_at or alarm.received_at, alarm.received_at)
            matter = matter_of(alarm.parameters)
            placement = judge(alarm.id, occurred, matter, known)
            if placement is None:
                continue
            if known.incident and known.closed_at is None:
                _tell(session, known, alarm)
            if placement.begins:
                known, joined_run = Standing(key=placement.key, matter=matter, awaited=True), None
            placed.setdefault((placement.key, joined_run), []).append(alarm.id)
        for (key, run), ids in placed.items():
            _write(session, ids, key, run, now)
        return _asked(session, pair)


def awaited_runs(session: Session, now: datetime, within: timedelta) -> list[Awaited]:
    """The runs asked for lately that have not opened an incident."""
    pairs = session.execute(
        select(AlarmRow.scenario, AlarmRow.environment)
        .where(AlarmRow.state == "dispatched", AlarmRow.dispatched_at > now - within)
        .distinct()
    ).all()
    found = (standing(session, Pair(scenario, environment), now)[1] for scenario, environment in pairs)
    return [awaited for awaited in found if awaited is not None]


def _unplaced(session: Session, pair: Pair) -> Sequence[Row[Any]]:
    # Columns, not entities: a storm brings thousands, and each is only looked at once.
    wanted = select(
        AlarmRow.id,
        AlarmRow.occurred_at,
        AlarmRow.received_at,
        AlarmRow.name,
        AlarmRow.source,
        AlarmRow.parameters,
    ).where(
        AlarmRow.scenario == pair.scenario,
        AlarmRow.environment == pair.environment,
        AlarmRow.state == "stored",
        AlarmRow.incident_key.is_(None),
    )
    return session.execute(wanted.order_by(AlarmRow.occurred_at, AlarmRow.id)).all()


def _tell(session: Session, known: Standing, alarm: Row[Any]) -> None:
    """Note on the open incident's timeline that an alarm fired too, once for each name."""
    told = f"{alarm.name} fired too (from {alarm.source})"
    incidents.note_once(session, known.incident, "alarm", told, {"alarm": alarm.id})


def _write(session: Session, ids: Sequence[str], key: str, run: str | None, now: datetime) -> None:
    joined = {"state": "dispatched", "flow_run_id": run, "dispatched_at": now} if run else {}
    for start in range(0, len(ids), _LARGEST_BATCH):
        these = AlarmRow.id.in_(ids[start : start + _LARGEST_BATCH])
        session.execute(update(AlarmRow).where(these).values(incident_key=key, **joined), **_PLAIN)


def _asked(session: Session, pair: Pair) -> list[Asked]:
    """The first alarm of each episode whose run is still to be asked for."""
    first = (
        select(func.min(AlarmRow.id))
        .where(
            AlarmRow.scenario == pair.scenario,
            AlarmRow.environment == pair.environment,
            AlarmRow.state == "stored",
            AlarmRow.incident_key.is_not(None),
        )
        .group_by(AlarmRow.incident_key)
    )
    rows = session.scalars(select(AlarmRow).where(AlarmRow.id.in_(first)).order_by(AlarmRow.id))
    return [
        Asked(row.incident_key or "", row.id, row.name, row.parameters, row.received_at, row.attempts)
        for row in rows
    ]


def _newest_incident(session: Session, pair: Pair) -> IncidentRow | None:
    wanted = select(IncidentRow).where(
        IncidentRow.scenario == pair.scenario,
        IncidentRow.environment == pair.environment,
        IncidentRow.rehearsal.is_(False),
    )
    newest = wanted.order_by(IncidentRow.closed_at.is_not(None), IncidentRow.opened_at.desc()).limit(1)
    return session.scalars(newest).first()


def _newest_head(session: Session, pair: Pair) -> AlarmRow | None:
    """The first alarm of the newest episode that was begun, whether its run exists already or not."""
    live = AlarmRow.state.in_(("stored", "dispatched"))
    recent = (
        select(AlarmRow.id, AlarmRow.incident_key, AlarmRow.dispatched_at)
        .where(
            AlarmRow.scenario == pair.scenario,
            AlarmRow.environment == pair.environment,
            AlarmRow.incident_key.is_not(None),
            live,
        )
        .order_by(AlarmRow.id.desc())
        .limit(_RECENT)
        .subquery()
    )
    # Not simply by arrival: an alarm that had to wait begins its episode after others that came later.
    placed = recent.c.dispatched_at
    newest = select(recent.c.incident_key).order_by(placed.is_not(None), placed.desc(), recent.c.id.desc())
    key = newest.limit(1).scalar_subquery()
    return session.scalars(
        select(AlarmRow).where(AlarmRow.incident_key == key, live).order_by(AlarmRow.id).limit(1)
    ).first()


def _answers(incident: IncidentRow, head: AlarmRow) -> bool:
    """Whether this incident is the one that the head's run was to open, or one that came in its place."""
    return (
        incident.alarm_id == head.id
        or (incident.flow_run_id is not None and incident.flow_run_id == head.flow_run_id)
        or incident.id == head.incident_key
        or incident.opened_at >= head.received_at
    )


def _key(head: AlarmRow | None) -> str:
    return (head.incident_key or "") if head else ""


def _matter(head: AlarmRow | None) -> str | None:
    return matter_of(head.parameters) if head else None


def _run_of(session: Session, known: Standing) -> str | None:
    """The run that an alarm joins with the incident; none while that run is still to be asked for."""
    incident = session.get(IncidentRow, known.incident) if known.incident and not known.awaited else None
    return (incident.flow_run_id or incident.id) if incident else None


def _last_look(session: Session, incident: IncidentRow) -> datetime | None:
    """When its verification ended: the start of the report phase."""
    return session.scalars(
        select(func.max(TimelineRow.at)).where(
            TimelineRow.incident_id == incident.id,
            TimelineRow.kind == "phase",
            TimelineRow.phase == Phase.REPORT.value,
        )
    ).first()
