"""What a rollback of a Docker stack does, and in which words: only what differs from the backup is touched.

Runbook source: 004, «Automated Rollback», «Manual Rollback».
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.backups import BackupKind, is_of
from rules.stack_differences import Difference, Differences
from rules.stack_order import carried, dependents, sharing
from rules.stack_states import StackState
from rules.values import Frozen

_MOST_TOLD, _MOST = 4, 20


class FileLook(Frozen):
    """A file that is not as a backup has it."""

    path: str
    missing: bool
    services: tuple[str, ...]
    """Those that have it mounted: they see another one only after a restart."""
    ours: bool
    """It lies in the stack's own folder; others are never written."""


class Steps(Frozen):
    """What is done, by what it is done to. It holds names only."""

    files: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    recreate: dict[str, dict[str, str]] = {}
    """Each service that is made again, with the volumes without a name that are carried over."""
    join: dict[str, tuple[str, ...]] = {}
    """The networks that a service joins again."""
    restart: tuple[str, ...] = ()
    """Services that read a changed file, or know an address that is no more."""
    stop: tuple[str, ...] = ()
    """Services that the backup does not know: they are stopped, and can be started again."""
    start: tuple[str, ...] = ()
    """Services that do not run."""

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in type(self).model_fields)


def steps(
    live: StackState,
    wanted: StackState,
    found: Differences,
    files: Iterable[FileLook],
    *,
    order: Sequence[str] = (),
    restored: Sequence[str] = (),
    networks_too: bool = False,
) -> Steps:
    """What brings a stack back.

    Args:
        live: The stack as it is.
        wanted: As the backup has it.
        found: What differs.
        files: Those that differ.
        order: In which the services start, where no container says what it needs.
        restored: Services that are stopped and started because their data is put back.
        networks_too: Networks that differ are made anew as well, and not only those that are gone.
    """
    ours = [each for each in files if each.ours]
    gone = {each.name for each in wanted.networks if each.ours} - {each.name for each in live.networks}
    networks = tuple(sorted(found.networks if networks_too else found.networks.keys() & gone))
    recreate = {*found.recreate, *sharing(wanted, found.recreate)}
    members = {
        each.service: {*each.networks} & {*networks, *found.join.get(each.service, ())}
        for each in wanted.containers
    }
    join = {name: tuple(sorted(told)) for name, told in members.items() if told and name not in recreate}
    moved = {*recreate, *join, *restored}
    reading = {service for each in ours for service in each.services}
    return Steps(
        files=tuple(sorted(each.path for each in ours)),
        networks=networks,
        recreate={
            each.service: carried([*live.containers, *wanted.containers], each)
            for each in wanted.containers
            if each.service in recreate
        },
        join=join,
        restart=tuple(sorted({*dependents(wanted, moved, order), *reading} - recreate - {*restored})),
        stop=found.surplus,
        start=tuple(
            sorted({each.service for each in live.containers if not each.running} - {*found.surplus})
        ),
    )


def worth_considering(newest_first: Sequence[str], named: str) -> list[str]:
    """The names of the backups that a rollback may return to: those made before a deployment, where there are any.

    One made by the clock may hold what the deployment broke; one made before a recovery holds what was broken then.
    A person may name any.
    """
    if named:
        return [each for each in newest_first if each == named]
    before = [each for each in newest_first if is_of(BackupKind.DEPLOY, each)]
    return (before or [each for each in newest_first if not is_of(BackupKind.ROLLBACK, each)])[:_MOST]


def told(differences: Sequence[Difference]) -> str:
    """What differs, in a few words."""
    names = [str(each) for each in differences]
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return ", ".join(names[:_MOST_TOLD]) + more
