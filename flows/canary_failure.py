"""Canary failure: the release that was just deployed does not work; production returns to the last proven one."""

from __future__ import annotations

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._preparation import preparing
from flows._release_rungs import release_rungs
from flows._watching import detect
from rules.names import ReleaseName
from rules.outcomes import Outcome
from rules.promises import PROMISES

SCENARIO = "canary-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="canary-failure", flow_run_name="canary-failure in {environment.name}")
def recover(
    environment: Environment,
    to_release: ReleaseName | None = None,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Return an environment to its last known-good release after a failed canary.

    1. Look: the health endpoint with its key, metric and composite alarms, the functions and their live code.
    2. Choose the last release that was proven good here; check that its packages are the proven bytes.
    3. Plan with that release's own infrastructure code; show what becomes of what; apply exactly that plan.
    4. If Terraform cannot: set the functions' code directly and move the alias.
    5. Prove it: live code, no changes and no drift, healthy several times in a row, alarms clear for a while.

    Source: runbook 001, scenario 5 (ladder of scenario 6).
    Budget: 5 minutes.

    Args:
        environment: Where the canary failed.
        to_release: The proven release to return to. Leave empty for the last proven one that is not running.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=preparing(environment, to_release, lambda: detect(environment, PROMISE.severity)),
        ladder=release_rungs(SCENARIO, environment, to_release),
        budget_seconds=PROMISE.seconds,
        parameters={"to_release": to_release} if to_release else {},
    )
