"""Freeing a Terraform state from a holder that is proven dead: one way to recover, of several scenarios.

Runbook source: 001 «Terraform State Lock Held».
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from rules.errors import NoWayBack, StepFailed
from rules.health import judge_terraform
from rules.outcomes import Check, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness
from rules.state_locks import DEAD, Holder, judge_lock
from tasks.kinds import pause, say, scaled
from tasks.terraform_locks import LockEvidence, lock_evidence, remove_lock
from tasks.terraform_runs import drift_of

LOCK, RELEASE, COMMIT = "lock", "release", "commit"
"""Names of the facts in the plan. It has no target: the ways after it choose the release to return to themselves."""

CodeOf = Callable[[], tuple[str, str]]
"""A release and its commit, whose infrastructure code says where the state is."""


def unlock_rung(scenario: str, environment: Environment, code_of: CodeOf, *, whole: bool = False) -> Rung:
    """Unlock exactly the lock whose holder is proven dead.

    With `whole` that alone proves nothing: Terraform must have nothing left to change, else the next way is tried.
    """
    return Rung(
        name="unlock",
        decide=lambda _finding: _decide(scenario, environment, code_of),
        act=partial(_act, environment),
        verify=partial(_verify, environment, whole),
    )


def look_at_lock(environment: Environment, release: str, commit: str) -> Check:
    """Whether the state's lock is stale, after whoever may be alive had time to finish."""
    held = _after_waiting(environment, release, commit)
    return judge_lock(held.lock if held else None, held.judgement if held else None)


def _after_waiting(environment: Environment, release: str, commit: str) -> LockEvidence | None:
    """Who holds the lock, after somebody who may be alive had time to finish."""
    until = time.monotonic() + scaled(environment.lambda_platform.terraform.lock_timeout_seconds)
    told = False
    while True:
        held: LockEvidence | None = lock_evidence(environment, release, commit)
        if held is None or held.judgement.holder in DEAD or time.monotonic() > until:
            return held
        if not told:
            say(f"Waiting: {held.judgement.reason}.")
            told = True
        pause(1.0)


def _decide(scenario: str, environment: Environment, code_of: CodeOf) -> Plan:
    name, commit = code_of()
    held = lock_evidence(environment, name, commit)
    if held is None:
        raise NoWayBack("Nobody holds the lock any more.")
    if held.judgement.holder not in DEAD:
        raise NoWayBack(
            f"The lock is left alone: {held.judgement.reason}.",
            hint="Ask whoever it names. Prove that the process is gone; only then unlock by hand, by the lock's id.",
        )
    ours = held.judgement.holder is Holder.OUR_DEAD
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="unlock",
        title=f"Unlock the Terraform state of {environment.name}",
        changes=(Change(subject="state lock", before=str(held.lock), after="free", kind="lock"),),
        expected=("nobody holds the lock", "Terraform can take it and compare"),
        destructiveness=Destructiveness.REVERSIBLE if ours else Destructiveness.DISRUPTIVE,
        facts={LOCK: held.lock.id, RELEASE: name, COMMIT: commit},
        reasons=(held.judgement.reason,),
    )


def _act(environment: Environment, plan: Plan) -> None:
    remove_lock(environment, plan.facts[RELEASE], plan.facts[COMMIT], plan.facts[LOCK])


def _verify(environment: Environment, whole: bool, plan: Plan) -> Verification:
    held = lock_evidence(environment, plan.facts[RELEASE], plan.facts[COMMIT])
    if held and held.lock.id == plan.facts[LOCK]:
        told = f"it is still held: {held.lock}"
        return Verification.of([Check(name="state lock", verdict=Verdict.FAIL, reason=told, wanted="free")])
    free = Check(
        name="state lock",
        verdict=Verdict.PASS,
        reason="somebody else works again" if held else "nobody holds it",
        wanted="free",
    )
    return Verification.of([free, _usable(environment, plan, whole=whole)])


def _usable(environment: Environment, plan: Plan, *, whole: bool) -> Check:
    """Whether Terraform can work on the state again; with `whole`, whether it has nothing left to change, too."""
    name, wanted = "terraform", "can lock and compare"
    try:
        compared = drift_of(environment, plan.facts[RELEASE], plan.facts[COMMIT])
    except StepFailed as error:
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=error.message, wanted=wanted)
    if whole:
        return judge_terraform(
            compared.exit_code, [change.address for change in compared.changes], compared.drift
        )
    left = f"; it would change {len(compared.changes)} resources" if compared.changes else ""
    drift = f"; changed outside it: {', '.join(compared.drift)}" if compared.drift else ""
    return Check(name=name, verdict=Verdict.PASS, reason=f"it compares again{left}{drift}", wanted=wanted)
