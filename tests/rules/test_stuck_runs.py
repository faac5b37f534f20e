"""A run that hangs is brought to a state that is true; one that only takes its time is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rules.stuck_runs import NOT_BEGUN, NOT_CANCELLED, NOT_ENDED, Mend, SeenRun, Stage, stuck

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("stage", "recovery", "age", "mend"),
    [
        (Stage.PENDING, True, NOT_BEGUN, None),
        (Stage.PENDING, True, NOT_BEGUN + SECOND, Mend.AGAIN),
        (Stage.PENDING, False, NOT_BEGUN + SECOND, Mend.CRASHED),
        (Stage.CANCELLING, True, NOT_CANCELLED, None),
        (Stage.CANCELLING, True, NOT_CANCELLED + SECOND, Mend.CANCELLED),
        (Stage.RUNNING, False, NOT_ENDED, None),
        (Stage.RUNNING, False, NOT_ENDED + SECOND, Mend.CRASHED),
        (Stage.RUNNING, True, timedelta(days=9), None),
    ],
)
def test_what_is_stuck(stage: Stage, recovery: bool, age: timedelta, mend: Mend | None) -> None:
    """Each state has its time; a recovery that runs is judged by its lease, never by its age."""
    seen = SeenRun(name="r", stage=stage, state="Submitting", since=NOON - age, recovery=recovery)

    found = stuck(seen, NOON)

    assert (found.mend if found else None) is mend
    assert found is None or "Submitting for" in found.reason
