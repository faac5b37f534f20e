"""Stale Terraform lock: every deployment is refused because a Terraform that is gone still holds the state."""

from __future__ import annotations

import time
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from flows._release_memory import release_history
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from rules.names import ReleaseName, release_name
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness, Severity
from rules.state_locks import DEAD, Holder, judge_lock
from tasks.kinds import pause, say, scaled
from tasks.repositories import commit_of
from tasks.terraform_locks import LockEvidence, lock_evidence, remove_lock
from tasks.terraform_runs import drift_of

SCENARIO = "stale-terraform-lock"
BUDGET_SECONDS = 300.0
UNASKED = Request()
LOCK, COMMIT = "lock", "commit"
"""Names of the facts in the plan."""


@flow(name="stale-terraform-lock", flow_run_name="stale-terraform-lock in {environment.name}")
def recover(
    environment: Environment,
    release: ReleaseName | None = None,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Free a Terraform state whose lock was left by a process that is proven dead.

    1. Read the lock itself; whoever may be alive is waited for, as long as the environment says.
    2. Prove the holder dead: our own run whose process is gone, the lock of a lost reply, or a process of this host
       where no Terraform of that time is left. Age alone proves nothing; a holder that may live is never robbed.
    3. Read it once more and unlock exactly that lock. What only this host's name proves is asked for first.
    4. Prove it: nobody holds it, and Terraform can take it and compare the state with the world.

    Source: runbook 001, «Terraform State Lock Held».
    Budget: 5 minutes.

    Args:
        environment: Whose state is locked.
        release: Any release whose infrastructure code has the right backend. Leave empty for the last recorded one.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, release),
        ladder=[
            Rung(
                name="unlock",
                decide=lambda _finding: _decide(environment, release),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            )
        ],
        budget_seconds=BUDGET_SECONDS,
        parameters={"release": release} if release else {},
    )


def _code_of(environment: Environment, release: str | None) -> tuple[str, str]:
    """A release and its commit, whose infrastructure code says where the state is."""
    if not release:
        known = release_history(environment)
        if not known:
            raise RecoveryRefused(
                f"No release of {environment.name} was ever recorded: it is not known where its state is.",
                hint="Give one: `release=<commit>`. Pipelines record releases with the flow `record-release`.",
            )
        release = known[-1].release
    return release_name(release), commit_of(environment.platform.terraform, release)


def _detect(environment: Environment, release: str | None) -> Finding:
    name, commit = _code_of(environment, release)
    held = _after_waiting(environment, name, commit)
    check = judge_lock(held.lock if held else None, held.judgement if held else None)
    return Finding(health=Verification.of([check]), severity=Severity.MEDIUM, summary=check.reason)


def _after_waiting(environment: Environment, release: str, commit: str) -> LockEvidence | None:
    """Who holds the lock, after somebody who may be alive had time to finish."""
    until = time.monotonic() + scaled(environment.platform.terraform.lock_timeout_seconds)
    told = False
    while True:
        held: LockEvidence | None = lock_evidence(environment, release, commit)
        if held is None or held.judgement.holder in DEAD or time.monotonic() > until:
            return held
        if not told:
            say(f"Waiting: {held.judgement.reason}.")
            told = True
        pause(1.0)


def _decide(environment: Environment, release: str | None) -> Plan:
    name, commit = _code_of(environment, release)
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
        scenario=SCENARIO,
        environment=environment.name,
        rung="unlock",
        title=f"Unlock the Terraform state of {environment.name}",
        target=name,
        changes=(Change(subject="state lock", before=str(held.lock), after="free", kind="lock"),),
        expected=("nobody holds the lock", "Terraform can take it and compare"),
        destructiveness=Destructiveness.REVERSIBLE if ours else Destructiveness.DISRUPTIVE,
        facts={LOCK: held.lock.id, COMMIT: commit},
        reasons=(held.judgement.reason,),
    )


def _act(environment: Environment, plan: Plan) -> None:
    remove_lock(environment, plan.target, plan.facts[COMMIT], plan.facts[LOCK])


def _verify(environment: Environment, plan: Plan) -> Verification:
    held = lock_evidence(environment, plan.target, plan.facts[COMMIT])
    if held and held.lock.id == plan.facts[LOCK]:
        told = f"it is still held: {held.lock}"
        return Verification.of([Check(name="state lock", verdict=Verdict.FAIL, reason=told, wanted="free")])
    free = Check(
        name="state lock",
        verdict=Verdict.PASS,
        reason="somebody else works again" if held else "nobody holds it",
        wanted="free",
    )
    return Verification.of([free, _usable(environment, plan)])


def _usable(environment: Environment, plan: Plan) -> Check:
    """Whether Terraform can work on the state again. What it would change is told, and is another scenario's."""
    name, wanted = "terraform", "can lock and compare"
    try:
        compared = drift_of(environment, plan.target, plan.facts[COMMIT])
    except StepFailed as error:
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=error.message, wanted=wanted)
    left = f"; it would change {len(compared.changes)} resources" if compared.changes else ""
    drift = f"; changed outside it: {', '.join(compared.drift)}" if compared.drift else ""
    return Check(name=name, verdict=Verdict.PASS, reason=f"it compares again{left}{drift}", wanted=wanted)
