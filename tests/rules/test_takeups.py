"""An incident whose run is dead is never forgotten, and never taken up while somebody else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.takeups import LATE, MOST_RUNS, Care, Orphan, RunState, care_for
from rules.triggers import Standing, correlate

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def orphan(**known: object) -> Orphan:
    """An orphan whose lease has run out and whose run is over."""
    told: dict[str, object] = {
        "incident": "inc-1",
        "scenario": "canary-failure",
        "environment": "prod",
        "runs": 1,
        "run_out_at": NOON - SECOND,
        "run": RunState.OVER,
    }
    return Orphan.model_validate(told | known)


@pytest.mark.parametrize(
    ("known", "care"),
    [
        ({}, Care.TAKE_UP),
        ({"run": RunState.NONE}, Care.TAKE_UP),
        ({"run": RunState.GOES}, Care.BURY),
        ({"run_out_at": None}, Care.TAKE_UP),
        ({"run_out_at": NOON}, Care.WAIT),
        ({"run": RunState.WAITS, "due_at": NOON - LATE}, Care.WAIT),
        ({"run": RunState.WAITS, "due_at": NOON - LATE - SECOND}, Care.ESCALATE),
        ({"runs": MOST_RUNS - 1}, Care.TAKE_UP),
        ({"runs": MOST_RUNS}, Care.ESCALATE),
        ({"runs": MOST_RUNS, "run": RunState.GOES}, Care.ESCALATE),
        ({"stopped": True}, Care.WAIT),
    ],
)
def test_what_becomes_of_it(known: dict[str, object], care: Care) -> None:
    """It is left to its own responder first, taken up then, and given to people when that does not help."""
    assert care_for(orphan(**known), NOON).care is care


@given(st.sampled_from(RunState), st.integers(1, 20), st.booleans())
def test_nobody_waits_for_ever(run: RunState, runs: int, stopped: bool) -> None:
    """An hour later something is done about every orphan, but where a person has stopped everything."""
    found = care_for(orphan(run=run, runs=runs, stopped=stopped, due_at=NOON), NOON + timedelta(hours=1))

    assert (found.care is Care.WAIT) is stopped
    assert found.reason


def test_an_alarm_and_the_janitor_ask_for_the_same_run() -> None:
    """Both take up a dead run under one key, so that Prefect makes one run of it; a further try has another."""
    died = Standing(key="k", incident="inc-1", runs=1, orphaned=True)
    placed = correlate("alm-1", NOON, "canary-failure", "prod", died, timedelta(0))

    assert placed is not None
    assert orphan().key() == placed.key
    assert len({orphan().key(), orphan().key(1), orphan(runs=2).key()}) == 3
