"""Emergency stop: one Docker stack must not run any longer, whatever it does; nothing of it is lost."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows import _stack_health
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack
from rules.outcomes import Check, Effect, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from rules.stack_order import levels
from rules.stacks import StackLook, describe, may_run
from tasks.containers import look_at_stack
from tasks.kinds import in_parallel
from tasks.stack_services import start_service, stop_service
from tasks.stack_states import live_stack

SCENARIO = "emergency-stop"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
STOP, START = "stop", "start again"


@flow(name="emergency-stop", flow_run_name="emergency-stop in {environment.name}")
def recover(
    environment: Environment,
    start_again: Annotated[
        bool, Field(title="Start it again", description="What was stopped is started, in its order.")
    ] = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Stop every container of one Docker stack at once, and nothing else; or start them again.

    1. Look which containers of the project run. Only its own label counts: a part of a name would also hit others.
    2. Stop them all at the same time. Redis saves what only its memory holds. No container, network or volume is
       removed, and the engine starts none of them by itself.
    3. See that none runs. The incident stays with a person, who is paged: the service is down on purpose.
    4. With «start it again» they are started in the order of what they need, each once the ones before are ready, and
       proven: containers, Redis, gateway, an identifier that is masked and comes back.

    Source: runbook 004, «Manual Rollback», step 1.
    Budget: 1 minute.

    Args:
        environment: A Docker stack.
        start_again: Start what was stopped, instead of stopping.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=partial(_detect, environment, start_again=start_again),
        ladder=[_start_rung(environment) if start_again else _stop_rung(environment)],
        budget_seconds=PROMISE.seconds,
        parameters={"start_again": str(start_again).lower()},
    )


def _detect(environment: Environment, *, start_again: bool) -> Finding:
    """Whoever stops a stack has seen why: that something of it runs is what is wrong."""
    if start_again:
        return _stack_health.detect(environment, PROMISE.severity)
    return Finding(
        health=Verification.of(_none_runs(look_at_stack(environment))),
        severity=PROMISE.severity,
        summary=f"the stack {environment.docker_stack.project} is to stop",
    )


def _none_runs(look: StackLook) -> list[Check]:
    checks = [
        Check(
            name=f"stopped {each.name}",
            verdict=Verdict.FAIL if may_run(each) else Verdict.PASS,
            reason=describe(each),
        )
        for each in look.containers
    ]
    return checks or [Check(name="stopped", verdict=Verdict.PASS, reason="there is no container")]


def _stop_rung(environment: Environment) -> Rung:
    return Rung(
        name="stop",
        decide=lambda _finding: _decided(environment, STOP),
        act=lambda plan: _stop(environment, plan),
        verify=lambda _plan: Verification.of(_none_runs(look_at_stack(environment))),
        holds=True,
    )


def _start_rung(environment: Environment) -> Rung:
    return Rung(
        name="start",
        decide=lambda _finding: _decided(environment, START),
        act=lambda _plan: _start(environment),
        verify=lambda _plan: _stack_health.watch(environment),
        undo=lambda plan, _before: [partial(_stopped, environment, each.subject) for each in plan.changes],
    )


def _decided(environment: Environment, what: str) -> Plan:
    look = look_at_stack(environment)
    concerned = sorted({each.service for each in look.containers if may_run(each) is (what == STOP)})
    if not concerned:
        raise NoWayBack(
            f"No container of {look.project} {'runs' if what == STOP else 'is stopped'}.",
            hint="`backstop recover stack-rollback` makes containers again that are gone.",
        )
    before, after = ("runs", "stopped") if what == STOP else ("stopped", "runs")
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="stop" if what == STOP else "start",
        title=f"{what.capitalize()} {len(concerned)} services of {look.project}",
        target=look.project,
        changes=tuple(
            Change(subject=each, before=before, after=after, kind="container") for each in concerned
        ),
        expected=(f"every container of {look.project} is {after}", "containers, networks and volumes stay"),
        destructiveness=Destructiveness.REVERSIBLE,
        reasons=("a person asked for it",),
    )


def _stop(environment: Environment, plan: Plan) -> None:
    in_parallel([partial(stop_service, environment, each.subject) for each in plan.changes])


def _start(environment: Environment) -> None:
    for level in levels(live_stack(environment), environment.docker_stack.services):
        in_parallel([partial(start_service, environment, service) for service in level])


def _stopped(environment: Environment, service: str) -> Effect:
    effect: Effect = stop_service(environment, service)
    return effect
