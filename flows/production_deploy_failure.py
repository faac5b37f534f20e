"""Production deploy failure: a deployment stopped half way; production returns to the last proven release, whole."""

from __future__ import annotations

from prefect import flow

from blocks.environment import Environment
from flows._assessment import assess
from flows._incident import handle
from flows._ladder import Request
from flows._preparation import preparing
from flows._release_rungs import release_rungs
from rules.names import ReleaseName
from rules.outcomes import Outcome
from rules.promises import PROMISES

SCENARIO = "production-deploy-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="production-deploy-failure", flow_run_name="production-deploy-failure in {environment.name}")
def recover(
    environment: Environment,
    to_release: ReleaseName | None = None,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Return an environment to its last known-good release after a deployment stopped half way.

    1. Look: health and alarms, whether every function runs the same release, whether Terraform has something left
       to change. A half deployment can look healthy.
    2. Choose the last release that was proven good here and is not wholly live; check its packages.
    3. Plan with that release's own infrastructure code; keep other deployments out by Terraform's own lock; apply
       exactly that plan; let them in again.
    4. If Terraform cannot: set the functions' code directly and move the alias.
    5. Prove it: live code, no changes and no drift, healthy several times in a row, alarms clear for a while.

    Source: runbook 001, scenario 4 (ladder of scenario 6).
    Budget: 10 minutes.

    Args:
        environment: Where the deployment failed.
        to_release: The proven release to return to. Leave empty for the last proven one that is not running.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=preparing(environment, to_release, lambda: assess(environment, PROMISE.severity)),
        ladder=release_rungs(SCENARIO, environment, to_release, freeze=True),
        budget_seconds=PROMISE.seconds,
        parameters={"to_release": to_release} if to_release else {},
    )
