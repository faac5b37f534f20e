"""Pinned plans: what an incident is bound to, and what became of each rung."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.cases import Case
from ledger.models import IncidentRow, PlanRow
from rules.plans import Plan
from rules.predictions import ENOUGH, NEWEST, predict
from rules.redaction import redact

GOING_ON = ("pinned", "acting", "undoing", "verified")
"""States of a plan that a resumed run takes up again."""


def pinned(case: Case) -> Plan | None:
    """The plan this incident is bound to, or None when nothing was decided yet."""
    with case.ledger.reading() as session:
        row = session.get(PlanRow, case.plan_id) if case.plan_id else None
        return Plan.model_validate(row.body) if row else None


def state_of(case: Case, rung: str) -> str | None:
    """How far the pinned plan got, if it is this rung's and not at its end; None: decide this rung."""
    with case.ledger.reading() as session:
        row = session.get(PlanRow, case.plan_id) if case.plan_id else None
        return row.state if row and row.rung == rung and row.state in GOING_ON else None


def rungs_at_their_end(case: Case) -> set[str]:
    """The rungs that failed or were undone in this incident: the ladder goes on after them."""
    with case.ledger.reading() as session:
        rows = session.scalars(select(PlanRow).where(PlanRow.incident_id == case.incident_id))
        return {row.rung for row in rows if row.state in ("failed", "undone")}


def keep_snapshot(case: Case, take: Callable[[], dict[str, str]]) -> None:
    """Take the state before and write it, unless an earlier run of this incident has."""
    with case.ledger.reading() as session:
        if session.get_one(PlanRow, case.plan_id).snapshot is not None:
            return
    taken = take()
    with case.writing("the snapshot") as session:
        session.get_one(PlanRow, case.plan_id).snapshot = redact(taken)
        case.append(session, "snapshot", f"the state before, of {len(taken)} subjects", taken)


def kept_snapshot(case: Case) -> dict[str, str]:
    """The state before acting, by subject."""
    with case.ledger.reading() as session:
        return dict(session.get_one(PlanRow, case.plan_id).snapshot or {})


def predicted(case: Case, plan: Plan) -> Plan:
    """The plan with how long it will take: as long as the same work took before."""
    with case.ledger.reading() as session:
        here = _taken(session, plan, plan.environment)
        everywhere = _taken(session, plan) if len(here) < ENOUGH else here
        promised = case.incident(session).budget_seconds
    return plan.model_copy(update={"prediction": predict(here, everywhere, promised)})


def _taken(session: Session, plan: Plan, environment: str | None = None) -> list[float]:
    """Seconds from the first action to the proof, of plans that did the same work and were verified, newest first.

    Incidents that were taken up again are left out: nobody works while a run is dead.
    """
    wanted = (
        select(PlanRow)
        .join(IncidentRow, IncidentRow.id == PlanRow.incident_id)
        .where(
            IncidentRow.scenario == plan.scenario,
            IncidentRow.runs == 1,
            PlanRow.rung == plan.rung,
            PlanRow.state == "verified",
            PlanRow.acting_at.is_not(None),
            PlanRow.ended_at.is_not(None),
        )
        .order_by(PlanRow.id.desc())
        .limit(2 * NEWEST)  # of which some may have done other work
    )
    if environment:
        wanted = wanted.where(IncidentRow.environment == environment)
    found = []
    for row in session.scalars(wanted):
        with suppress(ValidationError):  # pinned by a version that knew other plans
            if Plan.model_validate(row.body).work == plan.work and (took := seconds_taken(row)) is not None:
                found.append(took)
    return found


def seconds_taken(row: PlanRow) -> float | None:
    """Seconds from the first action to the proof; None while it is not proven."""
    if row.state != "verified" or row.acting_at is None or row.ended_at is None:
        return None
    return max(0.0, (row.ended_at - row.acting_at).total_seconds())
