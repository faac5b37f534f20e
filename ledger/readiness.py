"""Since when each scenario is ready or not in each environment, how that was over time, and who has heard of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.models import ReadinessRow, ReadinessSpanRow
from rules.readiness import Standing, State
from rules.readiness_times import HOLDS, Span, goes_on


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
        _note(session, standing, at)
        if standing.state is State.NOT_READY and row.told_at is None:
            untold.append(row)
    session.flush()
    return untold


def _note(session: Session, standing: Standing, at: datetime) -> None:
    """Write a look into the history: it makes the last span longer, or begins another one."""
    pair = (
        ReadinessSpanRow.environment == standing.environment,
        ReadinessSpanRow.scenario == standing.scenario,
    )
    newest = select(ReadinessSpanRow).where(*pair).order_by(ReadinessSpanRow.since.desc()).limit(1)
    last = session.scalars(newest.with_for_update()).first()
    if last is not None and at < last.looked_at:
        return  # two looks at once: the later one has written already
    if last is not None and goes_on(_span(last), standing.state, at):
        last.looked_at = at
        return
    session.add(
        ReadinessSpanRow(
            environment=standing.environment,
            scenario=standing.scenario,
            since=at,
            looked_at=at,
            state=standing.state.value,
        )
    )


def spans_between(session: Session, since: datetime, until: datetime) -> list[Span]:
    """How readiness was between two moments; what was seen shortly before still counts."""
    wanted = select(ReadinessSpanRow).where(
        ReadinessSpanRow.looked_at > since - HOLDS, ReadinessSpanRow.since < until
    )
    return [_span(row) for row in session.scalars(wanted)]


def first_looks(session: Session) -> dict[tuple[str, str], datetime]:
    """When each scenario was looked at for the first time, by environment and scenario."""
    pair = (ReadinessSpanRow.environment, ReadinessSpanRow.scenario)
    wanted = select(*pair, func.min(ReadinessSpanRow.since)).group_by(*pair)
    return {(environment, scenario): at for environment, scenario, at in session.execute(wanted)}


def _span(row: ReadinessSpanRow) -> Span:
    return Span(
        environment=row.environment,
        scenario=row.scenario,
        state=State(row.state),
        since=row.since,
        looked_at=row.looked_at,
    )


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
