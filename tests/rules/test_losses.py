"""What was lost is said plainly: which data, since when, or that there was none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rules.losses import losses
from rules.plans import Change, Plan
from rules.severity import Destructiveness

OPENED = datetime(2026, 7, 29, 14, 32, 22, tzinfo=UTC)
BACKUP = "20260729-143022-scheduled-3fa2"


def plan(kind: str, target: str = BACKUP, cost: Destructiveness = Destructiveness.DISRUPTIVE) -> Plan:
    """A plan that changes one thing of this kind."""
    change = Change(subject="Redis data", before="damaged", after="400 keys", kind=kind)
    return Plan(
        scenario="redis-corruption",
        environment="masking",
        rung="restore",
        title="Restore",
        target=target,
        changes=(change,),
        destructiveness=cost,
    )


@pytest.mark.parametrize(
    ("plans", "told"),
    [
        ([], "Nothing: no plan was carried out."),
        ([(plan("data"), "pinned"), (plan("data"), "void")], "Nothing: no plan was carried out."),
        ([(plan("code"), "verified")], "No data: nothing that was carried out replaces or removes any."),
        ([(plan("data"), "verified")], "120 s before the incident was opened"),
        ([(plan("data"), "undone")], "the data of before is back"),
        ([(plan("data"), "acting")], "It has not ended"),
        ([(plan("item", "r1", Destructiveness.DESTRUCTIVE), "verified")], "removes or replaces data"),
    ],
)
def test_what_was_lost(plans: list[tuple[Plan, str]], told: str) -> None:
    """Only what was carried out costs anything, and data that a backup replaced is lost from that backup on."""
    [sentence] = losses(plans, OPENED)

    assert told in sentence
