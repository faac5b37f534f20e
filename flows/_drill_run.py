"""The middle of a drill: the fault is brought about, and everything is seen that its grade needs."""

from __future__ import annotations

from datetime import datetime

from blocks.environment import Environment
from flows._drill_end import LEASE_SECONDS, row_of, take_back
from flows._drill_start import wish_for
from flows._drill_watch import heard, steady_again, wait_for_recovery
from ledger import drills
from ledger.cases import now
from ledger.database import open_ledger
from ledger.holders import this_process
from rules.drill_grades import Observed, overdue
from rules.drills import AllowedDrill, FaultName
from rules.errors import LeaseHeld
from rules.outcomes import Verdict
from tasks.drill_faults import inject_fault, marked_by, prepare_fault, world_of
from tasks.kinds import say


def break_it(environment: Environment, drill: AllowedDrill, number: str) -> datetime:
    """Write down the world and the way back, then bring the fault about under the environment's lease."""
    ledger = open_ledger()
    note = prepare_fault(environment, drill, wish_for(environment, drill, number))
    before = world_of(environment) | marked_by(environment, drill.fault, note)
    with ledger.session("drill: intent") as session:
        fence = drills.intend(session, number, this_process(), now(), LEASE_SECONDS, before=before, note=note)
    try:
        inject_fault(environment, drill.fault, note)
    except BaseException:
        with ledger.session("drill: not injected") as session:
            drills.let_go(session, number, fence)  # it is undone under a lease of its own
        raise
    at = now()
    with ledger.session("drill: injected") as session:
        drills.injected(session, number, fence, at)
    say(f"{drill.fault.value} is there: waiting for {drill.drills}.")
    return at


def observe(environment: Environment, drill: AllowedDrill, number: str, seen: Observed) -> Observed:
    """See the incident to its end, whether all is well afterwards, and what differs from before."""
    incident, stopped = wait_for_recovery(environment, number)
    alarm_only = drill.fault is FaultName.ALARM_ONLY
    seen = seen.model_copy(
        update={
            "incident": incident,
            "stopped": stopped,
            "late": stopped == overdue(row_of(number).gives_up_at),
            "alarm_only": alarm_only,
            "heard": heard(number, patiently=alarm_only and not stopped),
        }
    )
    if incident is None or incident.closed_at is None:
        return seen
    after = steady_again(environment, drill.drills)
    try:
        left = take_back(environment, number)
    except LeaseHeld as held:
        return seen.model_copy(update={"stopped": f"stopped: {held.message}"})
    row = row_of(number)
    world = world_of(environment) | marked_by(environment, row.fault, row.note)
    return seen.model_copy(
        update={
            "steady_after": after.verdict if after.checks else Verdict.INCONCLUSIVE,
            "after": after.reasons,
            "left_broken": bool(left),
            "differences": _differences(row.before, world),
        }
    )


def _differences(before: dict[str, str], now_there: dict[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{name} was {before.get(name, 'not there')} and is {now_there.get(name, 'not there')}"
        for name in sorted(before.keys() | now_there.keys())
        if before.get(name) != now_there.get(name)
    )
