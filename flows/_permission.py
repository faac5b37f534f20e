"""The guard phase: may this plan be acted on, now, by this run?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows import _people
from flows._approval import PlanDrifted, break_glass, wait_for_people
from ledger import levers
from ledger.cases import now
from rules.approvals import Policy, Requirement, required
from rules.errors import BackstopError, RecoveryRefused
from rules.freezes import frozen_by
from rules.outcomes import Finding, Verdict
from rules.plans import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocks.environment import Environment
    from flows._ladder import Request, Rung
    from ledger.cases import Case

__all__ = ["PlanDrifted", "refuse_if_stopped", "requirement_for", "seek_permission"]


def requirement_for(plan: Plan, finding: Finding, environment: Environment) -> Requirement:
    """Which approvals the rules want for this plan here."""
    return required(
        finding.severity, environment.tier, plan.destructiveness, automatic_up_to=environment.automatic_up_to
    )


def refuse_if_stopped(case: Case) -> None:
    """Refuse while the stop lever is pulled; break-glass does not pass it.

    Raises:
        RecoveryRefused: it is pulled, with who pulled it and why.
    """
    with case.ledger.reading() as session:
        lever = levers.pulled(session, case.environment)
    if lever:
        raise RecoveryRefused(
            f"The {lever.told} at {lever.stopped_at:%H:%M} UTC: {lever.reason or 'no reason given'}.",
            hint="`backstop stop-lever off` lets flows act again.",
        )


def seek_permission(
    case: Case,
    plan: Plan,
    finding: Finding,
    environment: Environment,
    request: Request,
    rung: Rung,
    detect: Callable[[], Finding],
) -> None:
    """Pass every guard, waiting for people where the rules want them.

    Raises:
        RecoveryRefused: a guard holds, or people said no, or nobody answered.
        PlanDrifted: the world changed while waiting: decide again.
    """
    refuse_if_stopped(case)
    freeze = frozen_by(environment.freeze_windows, now())
    if freeze and not request.break_glass:
        raise RecoveryRefused(
            f"{environment.name} is frozen until {freeze.end:%Y-%m-%d %H:%M} UTC: "
            f"{freeze.reason or 'no reason given'}.",
            hint="Wait, or act past it with a break-glass reason.",
        )
    requirement = requirement_for(plan, finding, environment)
    case.record("guard", f"{requirement.policy.value}: {requirement.reason}")
    if request.break_glass and (freeze or requirement.policy is not Policy.AUTOMATIC):
        who = request.requested_by or "somebody who gave no name"
        break_glass(case, plan, who, request.break_glass)
        return
    if requirement.policy is Policy.AUTOMATIC:
        return
    _people.approval_wanted(case, environment, plan, requirement)
    granted = wait_for_people(
        case, plan, requirement, request.requested_by, lambda: _drifted(plan, rung, detect, request)
    )
    refuse_if_stopped(case)
    case.record("guard", granted)


def _drifted(plan: Plan, rung: Rung, detect: Callable[[], Finding], request: Request) -> bool:
    """Whether looking again leads to another plan. Not being able to look is not drift."""
    try:
        finding = detect()
        if finding.health.verdict is Verdict.PASS and not request.insist:
            return True
        return rung.decide(finding).digest != plan.digest
    except BackstopError:
        return False
