"""Deployments that were given up: an environment went back from them, and whoever starts again must not do it twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flows._ladder import Rung
from ledger.attempts import proven_before
from ledger.cases import current_case
from rules.outcomes import Check, Finding, Verdict
from rules.plans import Plan

GIVEN_UP, COMMIT = "given_up", "commit"
"""Names of facts in the plan: the deployment that failed, and what the environment went back to, whole."""


def giving_up(code_of: Callable[[], tuple[str, str]], rung: Rung) -> Rung:
    """The rung, whose plan says which deployment it gives up; `code_of` tells its release and commit."""

    def decide(found: Finding) -> Plan:
        plan = rung.decide(found)
        return plan.model_copy(update={"facts": {**plan.facts, GIVEN_UP: code_of()[1]}})

    return replace(rung, decide=decide)


def given_up(scenario: str, commit: str, look: Callable[[str, str], Check]) -> Check | None:
    """Whether an earlier incident went back from just this deployment, to what is still whole; None: no.

    Else a run that is started again would go back again: destroy everything and make it anew, at the worst. `look`
    tells whether a release and its commit are what Terraform finds.
    """
    case = current_case.get()
    for incident, plan in reversed((proven_before(case, scenario) if case else {}).items()):
        if plan.facts.get(GIVEN_UP) == commit and COMMIT in plan.facts:
            found = look(plan.target, plan.facts[COMMIT])
            if found.verdict is not Verdict.PASS:
                return None
            told = f"{incident} gave the deployment of {commit[:12]} up for {plan.target}, which is live and whole"
            return found.model_copy(update={"reason": f"{told}; deploy it again to go on"})
    return None
