"""The way back for a Docker stack: configuration, containers and networks as a backup has them, with its data or not.

What differs is made again and nothing else. Data that is taken out of service is kept beside what takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from flows._proving import proven_first
from flows._stack_health import watch
from flows._stack_hindrances import refuse_hindered
from flows._stack_steps import BACKUP, DATA, NETWORKS, STEPS, act, state_before, undo
from rules.errors import NoWayBack
from rules.outcomes import Check, Verdict, Verification
from rules.plans import Change, Plan
from rules.retention import Proof
from rules.severity import Destructiveness
from rules.stack_differences import Differences, compare
from rules.stack_restore_points import RestorePoint, candidates, choose, worth_a_test
from rules.stack_rollbacks import FileLook, Steps, steps, told, worth_considering
from tasks.backup_contents import BackupContents, manifest_of, read_backup
from tasks.backup_proofs import proofs
from tasks.backups import backup_names
from tasks.kinds import in_parallel
from tasks.restored_data import holds_data
from tasks.stack_files import changed_files
from tasks.stack_states import live_stack


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be brought back."""

    backup: str = ""
    """Its name; empty: the newest that was made before a deployment."""
    data: bool = False
    networks: bool = False
    """Networks that differ, and not only those that are gone."""


def rollback_rung(scenario: str, environment: Environment, wish: Wish) -> Rung:
    """Make the stack as a backup has it."""
    return Rung(
        name="rollback",
        decide=lambda _finding: _decide(scenario, environment, wish),
        act=partial(act, environment),
        verify=partial(_verify, environment),
        snapshot=lambda _plan: state_before(environment),
        undo=partial(undo, environment),
    )


def _decide(scenario: str, environment: Environment, wish: Wish) -> Plan:
    point = _point(environment, wish)
    contents = read_backup(environment, point.backup)
    live, files = live_stack(environment), changed_files(environment, point.backup)
    found = compare(live, contents.state)
    redis = environment.docker_stack.redis.service
    todo = steps(
        live,
        contents.state,
        found,
        files,
        order=environment.docker_stack.services,
        restored=(redis,) if wish.data else (),
        networks_too=wish.networks,
    )
    if not todo and not wish.data:
        raise NoWayBack(
            f"The stack is as {point.backup} has it: going back to that would change nothing.",
            hint="Name an older backup, or ask for its data too.",
        )
    refuse_hindered(environment, live, contents.state, todo)
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="rollback",
        title=f"Return {environment.name} to the backup {point.backup}{', with its data' if wish.data else ''}",
        target=point.backup,
        changes=_changes(contents, found, todo, data=wish.data),
        expected=(
            f"containers{' and networks' if wish.networks else ''} are as in {point.backup}",
            "every container is ready, Redis keeps what is written, an identifier is masked and comes back",
        ),
        destructiveness=Destructiveness.DESTRUCTIVE if wish.data else Destructiveness.REVERSIBLE,
        facts={
            BACKUP: point.backup,
            STEPS: todo.model_dump_json(),
            DATA: "yes" if wish.data else "",
            NETWORKS: "yes" if wish.networks else "",
        },
        reasons=(*_reasons(point, wish), *_left(found, files, todo)),
    )


def _point(environment: Environment, wish: Wish) -> RestorePoint:
    known = proofs(environment)
    names = worth_considering(backup_names(environment), wish.backup)
    manifests = in_parallel([partial(manifest_of, environment, name) for name in names])
    if wish.data:
        known = proven_first(environment, worth_a_test(candidates(manifests, known), named=wish.backup))
    else:
        # Its data is not used: that every file is as it was backed up is seen when it is read.
        known = {each.id: Proof.PROVEN for each in manifests if known.get(each.id) is not Proof.FAILED}
    return choose(
        candidates(manifests, known),
        datetime.now(UTC),
        environment.docker_stack.rpo_seconds,
        named=wish.backup,
        with_data=wish.data,
    )


def _reasons(point: RestorePoint, wish: Wish) -> tuple[str, ...]:
    if wish.data:
        return (*point.reasons, "the data of now is kept beside it")
    return (*point.reasons[:-1], "the data of now stays: nothing that was written is lost")


def _left(found: Differences, files: Sequence[FileLook], todo: Steps) -> list[str]:
    """What differs and is left to people, in words."""
    networks = [
        f"the network {name} differs, and stays" for name in found.networks if name not in todo.networks
    ]
    return networks + [
        f"{each.path} differs, and is not of the stack's folder: it stays" for each in files if not each.ours
    ]


def _changes(contents: BackupContents, found: Differences, todo: Steps, *, data: bool) -> tuple[Change, ...]:
    target = contents.manifest.id
    keys = f"{contents.manifest.data.key_count} keys of {target}"
    groups = (
        [(path, "changed since", f"as in {target}", "file") for path in todo.files],
        [(name, told(found.networks[name]), f"as in {target}", "network") for name in todo.networks],
        [
            (
                name,
                told(found.recreate.get(name, ())) or "lives in another that is made again",
                f"as in {target}",
                "container",
            )
            for name in todo.recreate
        ],
        [
            (name, "cut off", f"in {', '.join(networks)}", "membership")
            for name, networks in todo.join.items()
        ],
        [(name, "knows what is no more", "started anew", "restart") for name in todo.restart],
        [(name, "not in the backup", "stopped", "stop") for name in todo.stop],
        [(name, "does not run", "runs", "start") for name in todo.start if name not in todo.recreate],
        [("Redis data", "as it is, kept beside", keys, "data")] if data else [],
    )
    return tuple(
        Change(subject=subject, before=before, after=after, kind=kind)
        for group in groups
        for subject, before, after, kind in group
    )


def _verify(environment: Environment, plan: Plan) -> Verification:
    backup = plan.facts[BACKUP]
    state = read_backup(environment, backup).state

    def as_wanted() -> list[Check]:
        found = compare(live_stack(environment), state)
        wrong = [f"{name}: {told(each)}" for name, each in found.recreate.items()]
        wrong += [f"{name} is not in {', '.join(networks)}" for name, networks in found.join.items()]
        if plan.facts[NETWORKS]:
            wrong += [f"network {name}: {told(each)}" for name, each in found.networks.items()]
        wrong += [f"{each.path} differs" for each in changed_files(environment, backup) if each.ours]
        verdict = Verdict.FAIL if wrong else Verdict.PASS
        reason = "; ".join(wrong) or "nothing differs"
        return [
            Check(name=f"as in {backup}", verdict=verdict, reason=reason),
            *([holds_data(environment, backup)] if plan.facts[DATA] else []),
        ]

    return watch(environment, as_wanted)
