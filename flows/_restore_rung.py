"""Restoring damaged tables to a point in time: by a copy beside them, from which items are put back.

DynamoDB restores into a new table only, and callers know a table by its name. So nothing is swapped or destroyed: the
table is backed up as it is, the copy is compared with it item by item, and what differs is put back while no function
takes a call. What came since under other keys stays, and so do copy and backup: people remove them.

Runbook source: 001, scenario 6, «Restore from backup».
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from flows._watching import Wanted, watch
from ledger.attempts import proven_before
from ledger.cases import current_case
from rules.errors import NoWayBack
from rules.offline import CLOSED, read, spelt
from rules.outcomes import Check, Finding, Verdict, Verification
from rules.plans import Change, Plan
from rules.restore_points import copy_name, judge_damaged, judge_restored, moment_before, refuse_outside
from rules.severity import Destructiveness
from tasks.function_capacity import all_capacity, give_capacity, take_offline
from tasks.kinds import in_parallel
from tasks.table_restores import (
    back_up_table,
    compare_with_copy,
    put_back_from_copy,
    recovery_window,
    restore_copy,
)

AT, COPY, CAPACITY = "at", "copy:", "capacity:"
"""Names of the facts in the plan."""

RESTORE_SECONDS = 4 * 3600.0
"""AWS restores a table in minutes to hours, whatever its size."""


def restore_rung(
    scenario: str, environment: Environment, damaged_since: datetime | None, watch_seconds: float
) -> Rung:
    """Put the items of every table back as they were just before they were damaged."""
    return Rung(
        name="restore",
        decide=lambda _finding: _decide(scenario, environment, damaged_since),
        act=partial(_act, environment),
        verify=partial(_verify, environment, watch_seconds),
        act_seconds=RESTORE_SECONDS,
        verify_seconds=3600.0 + watch_seconds,
    )


def code_is_fine(finding: Finding) -> bool:
    """Whether nothing but data fails."""
    failed = [check.name for check in finding.health.checks if check.verdict is Verdict.FAIL]
    return bool(failed) and all(name.startswith("data ") for name in failed)


def damage(scenario: str, environment: Environment, since: datetime | None) -> list[Check]:
    """What is said of each table's data; an incident that has put it back for the same word counts."""
    if since is None:
        return []
    case, at = current_case.get(), moment_before(since).isoformat()
    put_back = {
        table: incident
        for incident, plan in (proven_before(case, scenario) if case else {}).items()
        if plan.facts.get(AT) == at
        for table in _named(plan, COPY)
    }
    tables = [table.name for table in environment.lambda_platform.tables]
    return [judge_damaged(table, since, put_back.get(table, "")) for table in tables]


def _decide(scenario: str, environment: Environment, damaged_since: datetime | None) -> Plan:
    tables = [table.name for table in environment.lambda_platform.tables]
    if damaged_since is None:
        raise NoWayBack("Nobody said that data is damaged.")
    if not tables:
        raise NoWayBack(f"The file of {environment.name} names no tables.")
    at = moment_before(damaged_since)
    for table in tables:
        refuse_outside(table, at, recovery_window(environment, table))
    capacity = all_capacity(environment)
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="restore",
        title=f"Put the items of {', '.join(tables)} back as they were at {at:%Y-%m-%d %H:%M:%S} UTC",
        changes=tuple(
            Change(
                subject=table,
                before="as it is, backed up first",
                after=f"as of {at:%Y-%m-%d %H:%M:%S} UTC",
                kind="data",
            )
            for table in tables
        ),
        expected=("every item of that moment is there as it was", "every health endpoint answers healthy"),
        destructiveness=Destructiveness.DESTRUCTIVE,
        facts={
            AT: at.isoformat(),
            **{f"{COPY}{table}": copy_name(table, at) for table in tables},
            **{
                f"{CAPACITY}{name}": spelt(reserved)
                for name, reserved in capacity.items()
                if reserved != CLOSED
            },
        },
        reasons=(
            f"data is said to be damaged since {damaged_since:%Y-%m-%d %H:%M:%S}",
            "what was changed since is overwritten; what came since under other keys stays",
            "no function takes a call while items are put back",
        ),
    )


def _named(plan: Plan, kind: str) -> dict[str, str]:
    return {name.removeprefix(kind): value for name, value in plan.facts.items() if name.startswith(kind)}


def _act(environment: Environment, plan: Plan) -> None:
    copies, at = _named(plan, COPY), datetime.fromisoformat(plan.facts[AT])
    before = {name: read(text) for name, text in _named(plan, CAPACITY).items()}
    in_parallel([partial(restore_copy, environment, table, copy, at) for table, copy in copies.items()])
    in_parallel([partial(back_up_table, environment, table) for table in copies])
    try:
        if any(compare_with_copy(environment, table, copy).wrong for table, copy in copies.items()):
            in_parallel([partial(take_offline, environment, function) for function in before])
            in_parallel(
                [partial(put_back_from_copy, environment, table, copy) for table, copy in copies.items()]
            )
    finally:
        in_parallel(
            [partial(give_capacity, environment, name, reserved) for name, reserved in before.items()]
        )


def _verify(environment: Environment, watch_seconds: float, plan: Plan) -> Verification:
    at = datetime.fromisoformat(plan.facts[AT])
    restored = [
        judge_restored(table, compare_with_copy(environment, table, copy), at)
        for table, copy in _named(plan, COPY).items()
    ]
    health = watch(environment, Wanted("", {}, seconds=watch_seconds))
    return Verification.of([*restored, *health.checks])
