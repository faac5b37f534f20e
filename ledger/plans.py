"""Pinned plans: what an incident is bound to, and what became of each rung."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from ledger.cases import Case
from ledger.models import PlanRow
from rules.plans import Plan
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
