"""Stale Terraform lock: every deployment is refused because a Terraform that is gone still holds the state."""

from __future__ import annotations

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._release_memory import release_history
from flows._unlock_rung import look_at_lock, unlock_rung
from rules.errors import RecoveryRefused
from rules.names import ReleaseName, release_name
from rules.outcomes import Finding, Outcome, Verification
from rules.promises import PROMISES
from tasks.repositories import commit_of

SCENARIO = "stale-terraform-lock"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


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
        ladder=[unlock_rung(SCENARIO, environment, lambda: _code_of(environment, release))],
        budget_seconds=PROMISE.seconds,
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
    return release_name(release), commit_of(environment.lambda_platform.terraform, release)


def _detect(environment: Environment, release: str | None) -> Finding:
    check = look_at_lock(environment, *_code_of(environment, release))
    return Finding(health=Verification.of([check]), severity=PROMISE.severity, summary=check.reason)
