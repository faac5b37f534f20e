"""The issue with what an incident leaves to people, opened while it still acts: a report alone is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from blocks.environment import Environment
from flows._ladder import Rung
from ledger.cases import current_case
from rules.errors import StepFailed
from rules.escalation import after_incident
from rules.outcomes import Ending
from rules.plans import Plan
from rules.severity import Situation
from tasks.github_messages import open_issue
from tasks.kinds import say


def with_issue(environment: Environment, rung: Rung, found: Situation | None) -> Rung:
    """The rung, which also opens an issue, one for the incident. Without GitHub the report alone has the tasks."""
    return replace(rung, act=lambda plan: _act(environment, rung.act, plan, found))


def _act(environment: Environment, act: Callable[[Plan], None], plan: Plan, found: Situation | None) -> None:
    try:
        act(plan)
    except StepFailed:
        _open(environment, plan, found)
        raise
    _open(environment, plan, found)


def _open(environment: Environment, plan: Plan, found: Situation | None) -> None:
    case = current_case.get()
    if environment.github is None or case is None:
        return
    tasks = after_incident(Ending.RECOVERED, found=found)
    body = "\n".join([f"{plan.title}.", "", *(f"- [ ] {task}" for task in tasks)])
    title = f"{plan.scenario} in {environment.name}: what is left to people ({case.incident_id})"
    try:
        open_issue(environment, title, f"incident {case.incident_id}", body)
    except StepFailed as error:
        say(f"The issue with what is left to people could not be opened; the report has it: {error.message}")
