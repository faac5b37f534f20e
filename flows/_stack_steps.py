"""Carrying out what a stack's plan says, and undoing it: the state before is kept as a backup of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from blocks.environment import Environment
from flows._ladder import Snapshot
from ledger import plans
from ledger.cases import current_case
from rules.backups import BackupKind
from rules.outcomes import Effect
from rules.plans import Plan
from rules.stack_differences import compare
from rules.stack_order import levels
from rules.stack_rollbacks import Steps, steps
from tasks.backup_contents import read_backup
from tasks.backups import Occasion, take_backup
from tasks.kinds import in_parallel
from tasks.redis_restores import restore_redis_data
from tasks.redis_returns import took_data_out
from tasks.stack_files import changed_files, put_files_back
from tasks.stack_restores import join_network, make_network, recreate_service
from tasks.stack_services import start_service, stop_service
from tasks.stack_states import live_stack

BACKUP, STEPS, DATA, NETWORKS = "backup", "steps", "data", "networks"
"""Names of the facts in the plan."""
SNAPSHOT, STARTED = "backup of the state before", "started"
"""Names in the snapshot."""


def state_before(environment: Environment) -> Snapshot:
    """The state before as a backup of its own, and since when each container runs."""
    occasion = Occasion(kind=BackupKind.ROLLBACK, reason="the state before a recovery", whole=False)
    live = live_stack(environment)
    started = {
        each.service: [other.started_at for other in live.of(each.service)] for each in live.containers
    }
    return {SNAPSHOT: take_backup(environment, occasion).id, STARTED: json.dumps(started)}


def act(environment: Environment, plan: Plan) -> None:
    case = current_case.get()
    started: dict[str, list[str]] = json.loads(plans.kept_snapshot(case)[STARTED]) if case else {}
    backup, todo = plan.facts[BACKUP], Steps.model_validate_json(plan.facts[STEPS])
    put_back(environment, backup, todo, started, data=bool(plan.facts[DATA]))


def put_back(
    environment: Environment, backup: str, todo: Steps, started: Mapping[str, Sequence[str]], *, data: bool
) -> None:
    """Carry out the steps, as much as can be at the same time. `started` says since when containers ran before."""
    redis = environment.docker_stack.redis.service
    if todo.files:
        put_files_back(environment, backup, list(todo.files))
    in_parallel([partial(make_network, environment, backup, name) for name in todo.networks])
    state = read_backup(environment, backup).state
    first, *later = levels(state, environment.docker_stack.services) or [[]]

    def redo(service: str) -> None:
        for network in todo.join.get(service, ()):
            join_network(environment, backup, service, network)
        if service in todo.recreate:
            recreate_service(environment, backup, service, todo.recreate[service])
        elif service in todo.restart:
            stop_service(environment, service, started.get(service, ()))
        if service in todo.stop:
            stop_service(environment, service)
        if data and service == redis:
            restore_redis_data(environment, backup)  # it serves then
        elif service in first:  # it waits for nobody, and others wait for it
            start_service(environment, service)

    touched = {*todo.join, *todo.recreate, *todo.restart, *todo.stop, *([redis] if data else [])}
    # Redis has the longest way.
    in_order = sorted(touched | {*first}, key=lambda service: (service != redis, service))
    in_parallel([partial(redo, service) for service in in_order])
    for level in later:
        in_parallel([partial(start_service, environment, service) for service in level])


def undo(environment: Environment, plan: Plan, before: Snapshot) -> Sequence[Callable[[], Effect]]:
    """Back to the state before, which is a backup too. Data that was never taken out of service stays."""

    def back() -> Effect:
        backup = before[SNAPSHOT]
        contents = read_backup(environment, backup)
        live, files = live_stack(environment), changed_files(environment, backup)
        found = compare(live, contents.state)
        replaced = bool(plan.facts[DATA]) and took_data_out(environment, plan.facts[BACKUP])
        data = replaced and contents.manifest.has_data
        redis = environment.docker_stack.redis.service
        todo = steps(
            live,
            contents.state,
            found,
            files,
            order=environment.docker_stack.services,
            restored=(redis,) if data else (),
            networks_too=True,
        )
        put_back(environment, backup, todo, {}, data=data)
        return Effect(subject=environment.name, changed=True, after=f"as in {backup}")

    return [back]
