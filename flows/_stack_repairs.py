"""Repairing single parts of a Docker stack as a backup has them: one way to recover, of several scenarios."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from pydantic import Field, StringConstraints

from blocks.environment import Environment
from flows._ladder import Rung, Snapshot
from flows._stack_health import watch
from ledger.cases import current_case
from rules.backups import BackupKind
from rules.errors import StepFailed
from rules.outcomes import Check, Effect, Finding, Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness, Severity
from rules.stack_order import carried, levels
from rules.stack_repairs import Part, in_order, loses_content, memberships, of_part
from rules.stack_restore_points import candidates, choose
from rules.start_failures import down
from tasks.backup_contents import read_backup
from tasks.backup_proofs import proofs
from tasks.backups import Occasion, read_backups, take_backup
from tasks.kinds import in_parallel, say
from tasks.resource_limits import restore_limits
from tasks.stack_files import put_files_back
from tasks.stack_restores import join_network, make_network, recreate_service
from tasks.stack_services import look_closely, start_service, stop_service
from tasks.stack_states import live_stack
from tasks.start_facts import name_image

SINCE, VOLUMES, BEFORE = "since", "volumes", "backup before"
"""Names of facts and of the snapshot: when a service was started, which volumes it had, what was overwritten."""

Look = Callable[[str], Sequence[Check]]
"""Checks of a scenario's own matter, against the backup that is named."""
BackupName = Annotated[
    str,
    StringConstraints(max_length=60),
    Field(title="Backup", description="Its name; empty: the newest proven one."),
]


def backup_to_use(environment: Environment, named: str) -> str:
    """The backup that says how the stack should be: the named one, else the newest proven.

    Raises:
        NoWayBack: there is none.
    """
    known = candidates(read_backups(environment), proofs(environment))
    objective = environment.docker_stack.rpo_seconds
    chosen = choose(known, datetime.now(UTC), objective, named=named, with_data=False)
    return chosen.backup


def looked(checks: Sequence[Check], severity: Severity, well: str) -> Finding:
    """What a scenario's own checks say; `well` is said where all of them pass."""
    health = Verification.of(checks)
    return Finding(health=health, severity=severity, summary="; ".join(health.reasons) or well)


def repair_plan(
    scenario: str,
    environment: Environment,
    rung: str,
    backup: str,
    title: str,
    changes: Sequence[Change],
    reasons: Sequence[str],
) -> Plan:
    """The plan that makes these parts as the backup has them."""
    facts: dict[str, str] = {}
    live, wanted = live_stack(environment), read_backup(environment, backup).state
    for change in changes:
        if change.kind == Part.RESTART:
            facts[f"{SINCE} {change.subject}"] = " ".join(each.started_at for each in live.of(change.subject))
        if change.kind == Part.CONTAINER:
            kept = (*live.of(change.subject), *wanted.of(change.subject))
            found = {
                name: volume
                for each in wanted.of(change.subject)
                for name, volume in carried(kept, each).items()
            }
            facts[f"{VOLUMES} {change.subject}"] = json.dumps(found, sort_keys=True)
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung=rung,
        title=title,
        target=backup,
        changes=in_order(changes),
        expected=("every service runs", "the gateway answers", "an identifier is masked and comes back"),
        destructiveness=Destructiveness.REVERSIBLE,
        facts=facts,
        reasons=tuple(reasons),
    )


def repair_rung(environment: Environment, name: str, decide: Callable[[], Plan], look: Look) -> Rung:
    """A way that makes parts of the stack as a backup has them; `look` is what proves the scenario's own matter."""
    return Rung(
        name=name,
        decide=lambda _finding: decide(),
        snapshot=partial(_snapshot, environment),
        act=partial(_act, environment),
        verify=lambda plan: watch(environment, partial(look, plan.target)),
        undo=partial(_undo, environment),
    )


def _snapshot(environment: Environment, plan: Plan) -> Snapshot:
    """What is overwritten goes into a backup of its own, so that nothing somebody wrote is lost."""
    before = {change.subject: change.before for change in plan.changes}
    if loses_content(plan):
        case = current_case.get()
        told = f"before {case.incident_id if case else plan.title}"
        occasion = Occasion(kind=BackupKind.ROLLBACK, reason=told, whole=False)
        before[BEFORE] = take_backup(environment, occasion).id
    return before


def _act(environment: Environment, plan: Plan) -> None:
    backup = plan.target
    if paths := of_part(plan, Part.FILE):
        put_files_back(environment, backup, paths)
    for service in of_part(plan, Part.IMAGE):
        name_image(environment, backup, service)
    in_parallel([partial(make_network, environment, backup, name) for name in of_part(plan, Part.NETWORK)])
    in_parallel(
        [
            partial(recreate_service, environment, backup, name, json.loads(plan.facts[f"{VOLUMES} {name}"]))
            for name in of_part(plan, Part.CONTAINER)
        ]
    )
    in_parallel([partial(restore_limits, environment, backup, name) for name in of_part(plan, Part.LIMITS)])
    in_parallel([partial(join_network, environment, backup, *pair) for pair in memberships(plan)])
    _start(environment, plan)


def _start(environment: Environment, plan: Plan) -> None:
    """Start services, those that others need first; one that runs with old settings is stopped before, once."""
    again = of_part(plan, Part.RESTART)
    in_parallel(
        [partial(stop_service, environment, name, plan.facts[f"{SINCE} {name}"].split()) for name in again]
    )
    started = [*again, *of_part(plan, Part.START)]
    for level in levels(read_backup(environment, plan.target).state, environment.docker_stack.services):
        in_parallel([partial(start_service, environment, name) for name in level if name in started])


def _undo(environment: Environment, plan: Plan, before: Snapshot) -> Sequence[Callable[[], Effect]]:
    """What was overwritten comes back; networks, limits and starts are no worse than what was there."""
    if BEFORE not in before:
        return ()

    def back() -> Effect:
        effect: Effect = put_files_back(environment, before[BEFORE], of_part(plan, Part.FILE))
        for service in of_part(plan, Part.RESTART):
            stop_service(environment, service)
            _start_as_it_was(environment, service)
        return effect

    return [back]


def _start_as_it_was(environment: Environment, service: str) -> None:
    """Start a service with the files that it had: it may have been no better then, but it ran."""
    try:
        start_service(environment, service)
    except StepFailed as error:
        if down(look_closely(environment), [service]):
            raise
        say(f"{service} runs as before: {error.message}")
