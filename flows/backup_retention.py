"""Backup retention: backups that nobody needs any more go, first into the trash, a day later for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.context import FlowRunContext
from prefect.states import Completed

from blocks.environment import Environment
from flows._place import refuse_other_place
from rules.errors import LeaseHeld
from rules.retention import Decision, Fate, decide
from rules.values import Frozen
from tasks.backup_keeping import (
    delete_for_good,
    kept_backups,
    marks,
    needed_backups,
    nobody_recovers,
    put_away,
    take_back,
)
from tasks.kinds import say


class Retained(Frozen):
    """What was decided of every backup, the newest first, and how many were moved."""

    environment: str
    rehearsed: bool
    decisions: tuple[Decision, ...]
    taken_back: int = 0
    put_away: int = 0
    deleted: int = 0


@flow(name="backup-retention", flow_run_name="backup retention of {environment.name}")
def backup_retention(environment: Environment, rehearse: bool = False) -> Any:
    """Let backups go that are older than the tier keeps them: first into the trash, a day later for good.

    Production keeps a week, staging three days, development one; what is marked as critical a month. Counted back from
    the newest good backup, not from the clock. The newest good one, the newest proven one and what an open incident
    names stay, and so does everything while nothing is proven. One in the trash that is needed again comes back.
    The states before rollbacks are backups as well. Runbook 004, «Backup Retention Policy».

    While an incident acts nothing is let go; the run then says so and is done.

    Args:
        environment: A Docker stack.
        rehearse: Only say what would become of each backup, and why.
    """
    refuse_other_place(environment)
    if rehearse:
        told = _decided(environment)
        _tell(told, all_of_them=True)
        return Retained(environment=environment.name, rehearsed=True, decisions=told)
    try:
        return _let_go(environment)
    except LeaseHeld as held:
        if FlowRunContext.get() is not None:
            return Completed(name="Skipped", message=held.message)
        raise


def _let_go(environment: Environment) -> Retained:
    fence = nobody_recovers(environment)
    told = _decided(environment)
    _tell(told)
    return Retained(
        environment=environment.name,
        rehearsed=False,
        decisions=told,
        taken_back=take_back(environment, _of(told, Fate.TAKE_BACK)),
        put_away=put_away(environment, _of(told, Fate.TRASH), fence),
        deleted=delete_for_good(environment, _of(told, Fate.DELETE), fence),
    )


def _decided(environment: Environment) -> tuple[Decision, ...]:
    """Decided twice: only of what would go is it looked at whether it is critical, which takes its manifest."""
    kept, needed = kept_backups(environment), needed_backups(environment)
    going = {each.id for each in decide(kept, environment.tier, needed=needed) if each.fate.goes}
    asked = [each for each in kept if each.id in going]
    found = marks(
        environment,
        [each.id for each in asked if not each.in_trash],
        [each.id for each in asked if each.in_trash],
    )
    unreadable = dict.fromkeys(found.unreadable, "its manifest cannot be read: look at it")
    marked = [replace(each, critical=each.id in found.critical) for each in kept]
    return tuple(decide(marked, environment.tier, needed=unreadable | needed))


def _of(told: Sequence[Decision], fate: Fate) -> list[str]:
    return [each.id for each in told if each.fate is fate]


def _tell(told: Sequence[Decision], *, all_of_them: bool = False) -> None:
    for each in told:
        if all_of_them or each.fate not in (Fate.KEEP, Fate.LEAVE):
            say(f"{each.id}: {each.fate.value}: {each.reason}")
    say(
        ", ".join(f"{fate.value}: {number}" for fate, number in Counter(e.fate for e in told).items())
        or "none"
    )
