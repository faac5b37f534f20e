"""When a service is offline, and when it is not."""

from __future__ import annotations

import pytest

from rules.health import Look
from rules.offline import judge_closed, judge_open, read, spelt
from rules.outcomes import Verdict, Verification

SERVED = Look(verdict=Verdict.PASS, reason="says 'healthy'")
TURNED_AWAY = Look(verdict=Verdict.FAIL, reason="answered 429")
UNSEEN = Look(verdict=Verdict.INCONCLUSIVE, reason="could not be asked")


@pytest.mark.parametrize(
    ("capacity", "look", "verdict"),
    [
        (0, TURNED_AWAY, Verdict.PASS),
        (0, SERVED, Verdict.FAIL),
        (0, UNSEEN, Verdict.INCONCLUSIVE),
        (5, TURNED_AWAY, Verdict.FAIL),
        (None, TURNED_AWAY, Verdict.FAIL),
    ],
)
def test_offline_means_that_nobody_is_served(capacity: int | None, look: Look, verdict: Verdict) -> None:
    """No calls are taken, and the endpoint agrees; one alone proves nothing."""
    assert Verification.of(judge_closed({"f": capacity}, {"e": look})).verdict is verdict


def test_only_closed_functions_are_told() -> None:
    """A function with few calls reserved, or none, is open."""
    assert [check.name for check in judge_open({"a": 0, "b": 1, "c": None})] == ["capacity a"]


@pytest.mark.parametrize("capacity", [None, 0, 7])
def test_a_capacity_is_read_as_it_was_written(capacity: int | None) -> None:
    """What a plan keeps is what is given back."""
    assert read(spelt(capacity)) == capacity
