"""What an incident has tried already."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select

from ledger.cases import Case
from ledger.models import IncidentRow, PlanRow, StepRow
from rules.outcomes import Ending, Phase
from rules.plans import Plan

OVER = ("failed", "undoing", "undone")
"""States of a plan that was acted on and did not end well."""


def was_deployed_in_vain(case: Case, target: str) -> bool:
    """Whether this incident has carried out a plan for this target to its last step, and it did not help.

    A plan that failed half way says nothing about its target: another way may still reach it.
    """
    with case.ledger.reading() as session:
        for plan in session.scalars(select(PlanRow).where(PlanRow.incident_id == case.incident_id)):
            if plan.state in OVER and plan.body.get("target") == target:
                made = select(StepRow).where(StepRow.plan_id == plan.id, StepRow.phase == Phase.ACT.value)
                steps = session.scalars(made.order_by(StepRow.id))
                last = {(step.action, step.subject): step.result for step in steps}
                if last and set(last.values()) <= {"changed", "unchanged"}:
                    return True
    return False


def carried_out(case: Case, action: str) -> bool:
    """Whether the pinned plan's action is done by its own word: killed later, it need not be prepared again."""
    with case.ledger.reading() as session:
        made = select(StepRow.result).where(StepRow.plan_id == case.plan_id, StepRow.action == action)
        return bool({"changed", "unchanged"} & set(session.scalars(made)))


def begun_before(case: Case, actions: Collection[str]) -> bool:
    """Whether this incident has begun one of these actions before the time that is being carried out now."""
    with case.ledger.reading() as session:
        made = select(func.count()).where(
            StepRow.incident_id == case.incident_id, StepRow.action.in_(actions)
        )
        return session.execute(made).scalar_one() > 1


def acted_on(case: Case, scenario: str, rung: str) -> list[Plan]:
    """The plans of a rung that were acted on in this environment, by whatever incident, the newest first."""
    with case.ledger.reading() as session:
        made = (
            select(PlanRow.body)
            .join(IncidentRow, IncidentRow.id == PlanRow.incident_id)
            .where(
                IncidentRow.environment == case.environment,
                IncidentRow.scenario == scenario,
                PlanRow.rung == rung,
                PlanRow.acting_at.is_not(None),
            )
            .order_by(PlanRow.id.desc())
        )
        return [Plan.model_validate(body) for body in session.scalars(made)]


def proven_before(case: Case, scenario: str) -> dict[str, Plan]:
    """The plans by which other incidents of a scenario have recovered this environment, the newest incident last."""
    with case.ledger.reading() as session:
        made = (
            select(PlanRow.incident_id, PlanRow.body)
            .join(IncidentRow, IncidentRow.id == PlanRow.incident_id)
            .where(
                IncidentRow.environment == case.environment,
                IncidentRow.scenario == scenario,
                IncidentRow.ending == Ending.RECOVERED.value,
                IncidentRow.id != case.incident_id,
                PlanRow.state == "verified",
            )
            .order_by(PlanRow.id)
        )
        return {incident: Plan.model_validate(body) for incident, body in session.execute(made)}
