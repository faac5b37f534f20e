"""Container start failure: a service of a Docker stack does not start, or is not there any more."""

from __future__ import annotations

from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._stack_repairs import BackupName, backup_to_use, repair_plan, repair_rung
from rules.errors import NoWayBack
from rules.outcomes import Check, Finding, Outcome, Verification
from rules.plans import Plan
from rules.promises import PROMISES
from rules.stacks import StackLook, judge_services
from rules.start_failures import Failure, diagnose, down, repairs
from tasks.backup_contents import read_backup
from tasks.stack_services import look_closely
from tasks.start_facts import start_facts

SCENARIO = "container-start-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="container-start-failure", flow_run_name="container-start-failure in {environment.name}")
def recover(
    environment: Environment,
    backup: BackupName = "",
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Find out why services of a Docker stack do not start, and start those that can be helped.

    1. Look which services are down, and why: a port that somebody holds, an image that is gone or lost its name,
       a file that is mounted and is not there, no container, or a container that ends by itself.
    2. Name an image again by the id that the newest proven backup has, put missing files back, make a container that
       is gone again; then start them in their order.
    3. Whoever holds a port, a container or a process, is named and left alone; so is what ends by itself.
    4. Prove it: every service runs, and a request goes through all of it.

    Source: runbook 004, «Issue: Services Won't Start».
    Budget: 2 minutes.

    Args:
        environment: A Docker stack.
        backup: The name of the backup that says what is needed. Leave empty for the newest proven one.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, backup),
        ladder=[
            repair_rung(
                environment,
                "start",
                partial(_decide, environment, backup),
                lambda _backup: _looked(environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"backup": backup} if backup else {},
    )


def _looked(environment: Environment) -> list[Check]:
    return judge_services(look_closely(environment), environment.docker_stack.services)


def _detect(environment: Environment, named: str) -> Finding:
    look = look_closely(environment)
    health = Verification.of(judge_services(look, environment.docker_stack.services))
    told = "; ".join(health.reasons) or "every service runs"
    if down(look, environment.docker_stack.services):
        told = _told(_failures(environment, backup_to_use(environment, named), look))
    return Finding(health=health, severity=PROMISE.severity, summary=told)


def _failures(environment: Environment, backup: str, look: StackLook) -> list[Failure]:
    services = down(look, environment.docker_stack.services)
    wanted, facts = read_backup(environment, backup).state, start_facts(environment, backup, services)
    return [diagnose(name, look, wanted.of(name), facts) for name in services]


def _decide(environment: Environment, named: str) -> Plan:
    look, backup = look_closely(environment), backup_to_use(environment, named)
    failures = _failures(environment, backup, look)
    changes = repairs(failures, [each.service for each in failures if not look.of(each.service)])
    if not changes:
        raise NoWayBack(
            f"{_told(failures) or 'Every service runs, but one is not healthy'}.",
            hint="That is a person's: free the port, load the image, or read the container's log.",
        )
    curable = [each.service for each in failures if each.curable]
    return repair_plan(
        SCENARIO,
        environment,
        "start",
        backup,
        f"Start {', '.join(curable)}",
        changes,
        tuple(f"{each.service}: {each.cause}: {each.told}" for each in failures),
    )


def _told(failures: list[Failure]) -> str:
    return "; ".join(f"{each.service}: {each.cause}: {each.told}" for each in failures)
