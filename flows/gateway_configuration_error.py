"""Gateway configuration error: the gateway answers errors, refuses connections, or does not stay up."""

from __future__ import annotations

from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._stack_repairs import BackupName, backup_to_use, looked, repair_plan, repair_rung
from rules.errors import NoWayBack
from rules.gateways import judge_gateway
from rules.outcomes import Check, Finding, Outcome, Verdict
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.stack_repairs import Part, putting_back
from rules.stacks import judge_services
from tasks.gateway_files import check_gateway_file
from tasks.gateways import look_at_gateway
from tasks.kinds import in_parallel
from tasks.stack_files import changed_files
from tasks.stack_services import look_closely

SCENARIO = "gateway-configuration-error"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="gateway-configuration-error", flow_run_name="gateway-configuration-error in {environment.name}")
def recover(
    environment: Environment,
    backup: BackupName = "",
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Give the gateway of a Docker stack back the configuration that it last worked with.

    1. Look at its admin API, its proxy and its container: an error, a refusal and an exit are one symptom.
    2. Compare the files that it has mounted with the newest proven backup; none differs: this is not the way.
    3. Let the gateway's own image parse the backup's declarative file, before anything is put anywhere.
    4. Put away what somebody wrote, put the files back, restart the gateway, and nothing else.
    5. Prove it: both doors answer, every service runs, and an identifier is masked and comes back.

    Source: runbook 004, «Scenario 1: Kong Configuration Error».
    Budget: 2 minutes.

    Args:
        environment: A Docker stack with a gateway.
        backup: The name of the backup whose files to take. Leave empty for the newest proven one.
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
            repair_rung(
                environment,
                "put-files-back",
                partial(_decide, environment, backup),
                lambda _backup: _looked(environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"backup": backup} if backup else {},
    )


def _looked(environment: Environment) -> list[Check]:
    doors, stack = in_parallel([lambda: look_at_gateway(environment), lambda: look_closely(environment)])
    return [*judge_gateway(doors, None), *judge_services(stack, [_service(environment)])]


def _detect(environment: Environment) -> Finding:
    return looked(_looked(environment), PROMISE.severity, "the gateway answers")


def _decide(environment: Environment, named: str) -> Plan:
    gateway, backup = _service(environment), backup_to_use(environment, named)
    changed = [each for each in changed_files(environment, backup) if gateway in each.services]
    if foreign := [each.path for each in changed if not each.ours]:
        raise NoWayBack(
            f"{foreign[0]} is not as in {backup}, and lies outside the stack's folder.",
            hint="Put it back by hand.",
        )
    if not changed:
        raise NoWayBack(
            f"Every file of {gateway} is as in {backup}: its configuration is not what is wrong.",
            hint="Start `container-start-failure`, or `stack-rollback`, which makes containers again.",
        )
    parsed = check_gateway_file(environment, backup)
    if parsed.verdict is Verdict.FAIL:
        raise NoWayBack(
            f"The declarative file of {backup} cannot be parsed either: {parsed.reason}.",
            hint="Name an older backup: `backstop backup --list`.",
        )
    return repair_plan(
        SCENARIO,
        environment,
        "put-files-back",
        backup,
        f"Put {len(changed)} files of {gateway} back from {backup}, and restart it",
        [
            *(putting_back(each.path, missing=each.missing) for each in changed),
            Change(subject=gateway, before="runs with other files", after="restarted", kind=Part.RESTART),
        ],
        (f"{backup} is what the gateway last worked with", f"its declarative file: {parsed.reason}"),
    )


def _service(environment: Environment) -> str:
    gateway = environment.docker_stack.gateway
    if gateway is None:
        raise NoWayBack(
            f"{environment.name} has no gateway.", hint="Name one in the environment's file: `gateway`."
        )
    return gateway.service
