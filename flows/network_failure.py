"""Network failure: the services of a Docker stack run, and do not find or reach each other."""

from __future__ import annotations

from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request
from flows._stack_repairs import BackupName, backup_to_use, looked, repair_plan, repair_rung
from rules.errors import NoWayBack
from rules.network_health import judge_network, peers, repairs
from rules.outcomes import Check, Finding, Outcome
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.stack_differences import compare
from rules.stack_order import dependents
from rules.stack_repairs import Part
from tasks.backup_contents import read_backup
from tasks.network_names import ask_for_names
from tasks.stack_states import live_stack

SCENARIO = "network-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="network-failure", flow_run_name="network-failure in {environment.name}")
def recover(
    environment: Environment,
    backup: BackupName = "",
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Make the networks of a Docker stack as they were, and bring its containers back into them.

    1. Compare this stack's networks, and who is in them, with the newest proven backup; ask from inside each
       container for the names of those it has to find.
    2. Make what is missing or different again: these networks alone, told by the project's label. Nothing is pruned.
    3. A network that is made again has another identity: its containers join it anew, under the same names.
    4. Restart those that need one that joined, as Compose wrote it down, else in the stack's order: they know addresses
       that are no more.
    5. Prove it: names are found inside, every service runs, and an identifier is masked and comes back.

    Source: runbook 004, «Scenario 3: Network Connectivity Issues».
    Budget: 2 minutes.

    Args:
        environment: A Docker stack.
        backup: The name of the backup that says how the networks were. Leave empty for the newest proven one.
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
                "reconnect",
                partial(_decide, environment, backup),
                partial(_looked, environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"backup": backup} if backup else {},
    )


def _looked(environment: Environment, backup: str) -> list[Check]:
    wanted = read_backup(environment, backup).state
    names = ask_for_names(environment, peers(wanted))
    return judge_network(compare(live_stack(environment), wanted), names)


def _detect(environment: Environment, named: str) -> Finding:
    checks = _looked(environment, backup_to_use(environment, named))
    return looked(checks, PROMISE.severity, "every service finds the others")


def _decide(environment: Environment, named: str) -> Plan:
    backup = backup_to_use(environment, named)
    wanted = read_backup(environment, backup).state
    differences = compare(live_stack(environment), wanted)
    changes = repairs(differences, wanted, ())
    if not changes:
        names = ask_for_names(environment, peers(wanted))
        changes = repairs(differences, wanted, {name for look in names for name in look.unknown})
    if not changes:
        raise NoWayBack(
            f"Every network is as in {backup}, and every service is in it.",
            hint="What cannot be reached lies outside the stack: look at the host's own network and name server.",
        )
    joined = {change.subject.partition(" in ")[0] for change in changes if change.kind == Part.MEMBERSHIP}
    restarts = [
        Change(subject=name, before="knows old addresses", after="restarted", kind=Part.RESTART)
        for name in dependents(wanted, joined, environment.docker_stack.services)
    ]
    return repair_plan(
        SCENARIO,
        environment,
        "reconnect",
        backup,
        f"Connect {', '.join(sorted(joined))} again, as in {backup}",
        [*changes, *restarts],
        (f"{backup} says who was in which network, under which names",),
    )
