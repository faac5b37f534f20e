"""What a run of tests left in the tables of its environment."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from blocks.environment import Environment
from rules.polluted_items import RunWindow, Selector, selector_for
from rules.workflow_runs import RunLook
from tasks.kinds import in_parallel
from tasks.run_lists import list_runs
from tasks.tables import Pollution, count_polluted

_NEAR = timedelta(hours=1)
"""Runs that began so long before are asked for too: one of them may still have been running."""


def selectors_of(environment: Environment, look: RunLook) -> list[Selector]:
    """Selectors of what a run wrote, for every table whose test items can be told apart.

    Raises:
        RecoveryRefused: production, or another run marks its items alike.
    """
    marked = [table for table in environment.lambda_platform.tables if table.test_marks]
    if not marked:
        return []
    window = RunWindow(run=str(look.run.id), began=look.run.created_at, ended=look.last_sign)
    near = list_runs(environment, look.run.workflow, since=window.began - _NEAR, most=200)
    # When a run ended is not in the list: what began before ours had ended may have been running.
    others = [
        RunWindow(run=str(r.id), began=r.created_at, ended=max(r.created_at, window.ended)) for r in near
    ]
    return [
        selector_for(
            table.test_marks,
            window,
            table=table.name,
            hash_key=table.hash_key,
            tier=environment.tier,
            others=others,
        )
        for table in marked
    ]


def left_over(environment: Environment, look: RunLook) -> dict[str, Pollution]:
    """How much of it is still there, by table."""
    chosen = selectors_of(environment, look)
    counts = (
        in_parallel([partial(count_polluted, environment, selector) for selector in chosen]) if chosen else []
    )
    return {selector.table: count for selector, count in zip(chosen, counts, strict=True)}
