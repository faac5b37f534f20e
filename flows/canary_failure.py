"""Canary failure: the release that was just deployed does not work; production returns to the last proven one."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._release_rungs import release_rungs
from flows._watching import detect
from rules.names import ReleaseName
from rules.outcomes import Outcome

SCENARIO = "canary-failure"
BUDGET_SECONDS = 300.0
UNASKED = Request()


@flow(name="canary-failure", flow_run_name="canary-failure in {environment.name}")
def recover(
    environment: Annotated[Environment, Field(title="Environment", description="Where the canary failed.")],
    to_release: Annotated[
        ReleaseName | None,
        Field(
            title="Return to release",
            description="A proven release. Empty: the last proven one that is not running.",
        ),
    ] = None,
    rehearse: Annotated[
        bool, Field(title="Rehearse", description="Only say what would be done; nothing is changed.")
    ] = False,
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
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: detect(environment),
        ladder=release_rungs(SCENARIO, environment, to_release),
        budget_seconds=BUDGET_SECONDS,
        parameters={"to_release": to_release} if to_release else {},
    )
