"""Rollback failure: the rollback itself failed, and production may be in any state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow
from pydantic import AwareDatetime, Field

from blocks.environment import Environment
from flows._assessment import assess
from flows._incident import handle
from flows._ladder import Request, Rung
from flows._offline_rungs import offline_rung, reopen_rung
from flows._preparation import preparing
from flows._release_rungs import release_rungs
from flows._restore_rung import code_is_fine, damage, restore_rung
from flows._tasks_issue import with_issue
from rules.errors import NoWayBack, RecoveryRefused
from rules.health import finding
from rules.names import ReleaseName
from rules.offline import judge_open
from rules.outcomes import Finding, Outcome, Verdict, Verification
from rules.plans import Plan
from rules.promises import PROMISES
from rules.severity import Situation
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
    data_damaged_since: Annotated[
        AwareDatetime | None,
        Field(
            title="Data damaged since",
            description="Tables are put back as they were just before. Empty: no data is damaged.",
        ),
    ] = None,
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
    4. If somebody says that data is damaged: restore a copy of every table to just before, back the table up as it
       is, and put back what differs, with no function taking calls meanwhile. Two people agree first. The same word
       again, after it recovered, asks for nothing: what was written since would be lost.
    5. If nothing helps: take the service offline, where two people agree; the capacity of each function is written
       down, and comes back with «reopen». A person is paged all the same.
    6. Prove it, and watch for ten minutes. An issue and the report list what people have left to do.

    Source: runbook 001, scenario 6.
    Budget: 30 minutes.

    Args:
        environment: Where the rollback failed.
        to_release: The proven release to return to. Leave empty for the last proven one that is not running.
        watch_minutes: How long alarms must be clear before it counts as recovered.
        data_damaged_since: When data began to be damaged, with its time zone. Leave empty where none is.
        reopen: Give functions the capacity back that an earlier incident took.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=preparing(environment, to_release, lambda: _detect(environment, data_damaged_since)),
        ladder=[
            with_issue(environment, rung, PROMISE.situation)
            for rung in [
                reopen_rung(SCENARIO, environment, asked=reopen),
                *_release_rungs(environment, to_release, 60.0 * watch_minutes, data_damaged_since),
                restore_rung(SCENARIO, environment, data_damaged_since, 60.0 * watch_minutes),
                offline_rung(SCENARIO, environment),
            ]
        ],
        budget_seconds=PROMISE.seconds,
        parameters={
            **({"to_release": to_release} if to_release else {}),
            **({"data_damaged_since": data_damaged_since.isoformat()} if data_damaged_since else {}),
        },
    )


def _detect(environment: Environment, damaged_since: datetime | None) -> Finding:
    if damaged_since and damaged_since > datetime.now(UTC):
        raise RecoveryRefused(
            f"Data cannot be damaged since {damaged_since:%Y-%m-%d %H:%M %Z}: that is still to come.",
            hint="Give the moment with its time zone, for instance 2026-03-01T03:00:00Z.",
        )
    closed = judge_open(all_capacity(environment))
    found = finding(
        [
            *closed,
            *assess(environment, PROMISE.severity).health.checks,
            *damage(SCENARIO, environment, damaged_since),
        ],
        PROMISE.severity,
    )
    if found.health.verdict is not Verdict.FAIL:
        return found
    return found.model_copy(
        update={"situation": Situation.DATA_CORRUPT if damaged_since else PROMISE.situation}
    )


def _release_rungs(
    environment: Environment, to_release: str | None, watch_seconds: float, damaged_since: datetime | None
) -> list[Rung]:
    """The ways back to a release. Where data is damaged too, they do not end it, and there is no need to watch yet."""
    seconds = 0.0 if damaged_since else watch_seconds
    rungs = release_rungs(SCENARIO, environment, to_release, freeze=True, watch_seconds=seconds)
    if damaged_since is None:
        return rungs

    def beside_data(rung: Rung) -> Rung:
        def decide(found: Finding) -> Plan:
            if code_is_fine(found):
                raise NoWayBack("Only data is damaged: the code that runs is left alone.")
            return rung.decide(found)

        def verify(plan: Plan) -> Verification:
            return Verification.of([*rung.verify(plan).checks, *damage(SCENARIO, environment, damaged_since)])

        return replace(rung, decide=decide, verify=verify)

    return [beside_data(rung) for rung in rungs]
