"""Rollback failure: the rollback itself failed, and production may be in any state."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows._assessment import assess
from flows._incident import handle
from flows._ladder import Request
from flows._offline_rungs import offline_rung, reopen_rung
from flows._release_rungs import release_rungs
from rules.health import finding
from rules.names import ReleaseName
from rules.offline import judge_open
from rules.outcomes import Finding, Outcome, Verdict
from rules.promises import PROMISES
from tasks.function_capacity import all_capacity

SCENARIO = "rollback-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="rollback-failure", flow_run_name="rollback-failure in {environment.name}")
def recover(
    environment: Environment,
    to_release: ReleaseName | None = None,
    watch_minutes: Annotated[
        int,
        Field(ge=0, le=120, title="Watch for, in minutes", description="Alarms must be clear all the while."),
    ] = 10,
    reopen: Annotated[
        bool, Field(title="Reopen", description="Put back online what an earlier incident took offline.")
    ] = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Bring an environment back whose rollback failed, or take it offline before it damages more.

    1. Assess: every function's state, last update and code, health, alarms, what Terraform has left to change.
    2. Terraform, with the last known-good release and its own code, other deployments kept out.
    3. If Terraform cannot: the functions' code directly.
    4. If that does not help either: take the service offline, where two people agree; the capacity of each function
       is written down, and comes back with «reopen». A person is paged all the same.
    5. Prove it, and watch for ten minutes. The report lists what people have left to do.

    Source: runbook 001, scenario 6.
    Budget: 30 minutes.

    Args:
        environment: Where the rollback failed.
        to_release: The proven release to return to. Leave empty for the last proven one that is not running.
        watch_minutes: How long alarms must be clear before it counts as recovered.
        reopen: Give functions the capacity back that an earlier incident took.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment),
        ladder=[
            reopen_rung(SCENARIO, environment, asked=reopen),
            *release_rungs(
                SCENARIO, environment, to_release, freeze=True, watch_seconds=60.0 * watch_minutes
            ),
            offline_rung(SCENARIO, environment),
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"to_release": to_release} if to_release else {},
    )


def _detect(environment: Environment) -> Finding:
    closed = judge_open(all_capacity(environment))
    found = finding([*closed, *assess(environment, PROMISE.severity).health.checks], PROMISE.severity)
    broken = found.health.verdict is Verdict.FAIL
    return found.model_copy(update={"situation": PROMISE.situation}) if broken else found
