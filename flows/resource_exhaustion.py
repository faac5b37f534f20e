"""Resource exhaustion: containers are killed for their memory, or wait for a CPU they may not use."""

from __future__ import annotations

from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._stack_repairs import BackupName, backup_to_use, looked, repair_plan, repair_rung
from rules.errors import NoWayBack
from rules.outcomes import Check, Finding, Outcome, Verdict
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.resource_use import can_be_updated, judge_host, judge_resources, limited_otherwise
from rules.stack_repairs import Part
from tasks.backup_contents import read_backup
from tasks.kinds import in_parallel
from tasks.resource_limits import host_room, resource_use
from tasks.stack_states import live_stack

SCENARIO = "resource-exhaustion"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="resource-exhaustion", flow_run_name="resource-exhaustion in {environment.name}")
def recover(
    environment: Environment,
    backup: BackupName = "",
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Set the limits of a Docker stack's containers as they were, where changed limits are what starves them.

    1. Look at what each container uses and how often it is held back, whether one was killed for its memory, whether
       its limits are those of the newest proven backup, and what the host has left.
    2. A host without disk or memory is the cause itself: it is named, and nothing is changed.
    3. Set the limits while the containers run; only where the engine cannot, make those containers again.
    4. Limits that are as they were and do not suffice are a person's: how much is right is not known here.
    5. Prove it: limits, memory and CPU, every service, and a request through all of it.

    Source: runbook 004, «Scenario 4: Memory/Resource Exhaustion».
    Budget: 2 minutes.

    Args:
        environment: A Docker stack.
        backup: The name of the backup whose limits to take. Leave empty for the newest proven one.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    look = partial(_looked, environment)
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, backup),
        ladder=[
            repair_rung(environment, "update", partial(_decide, environment, backup, update=True), look),
            repair_rung(environment, "recreate", partial(_decide, environment, backup, update=False), look),
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"backup": backup} if backup else {},
    )


def _looked(environment: Environment, backup: str) -> list[Check]:
    uses, live, wanted, host = in_parallel(
        [
            lambda: resource_use(environment),
            lambda: live_stack(environment),
            lambda: read_backup(environment, backup),
            lambda: host_room(environment),
        ]
    )
    return judge_resources(uses, limited_otherwise(live, wanted.state), host)


def _detect(environment: Environment, named: str) -> Finding:
    checks = _looked(environment, backup_to_use(environment, named))
    return looked(checks, PROMISE.severity, "every container has what it needs")


def _decide(environment: Environment, named: str, *, update: bool) -> Plan:
    host = judge_host(host_room(environment))
    if host.verdict is Verdict.FAIL:
        raise NoWayBack(
            f"The host itself is the cause: {host.reason}. Nothing was changed.",
            hint="Make room on the host: containers starve with any limits.",
        )
    backup = backup_to_use(environment, named)
    changed = limited_otherwise(live_stack(environment), read_backup(environment, backup).state)
    if not changed:
        raise NoWayBack(
            f"Every limit is as in {backup}: what a container needs has grown.",
            hint="Find out why, or raise its limits in the Compose file. `stack-rollback` returns to older images.",
        )
    if update and not all(can_be_updated(each) for each in changed.values()):
        raise NoWayBack(
            "A limit was added where there was none: the engine takes none away while a container runs."
        )
    kind = Part.LIMITS if update else Part.CONTAINER
    changes = [
        Change(subject=name, before=_told(each, 0), after=_told(each, 1), kind=kind)
        for name, each in changed.items()
    ]
    starts = [Change(subject=name, before="any", after="running", kind=Part.START) for name in changed]
    return repair_plan(
        SCENARIO,
        environment,
        "update" if update else "recreate",
        backup,
        f"Set the limits of {', '.join(sorted(changed))} as in {backup}",
        [*changes, *starts],
        (f"they were changed since {backup}", f"the host {host.reason}"),
    )


def _told(changed: dict[str, tuple[int, int]], which: int) -> str:
    return ", ".join(f"{name} {pair[which] or 'none'}" for name, pair in sorted(changed.items()))
