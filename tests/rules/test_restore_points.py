"""Restoring to a point in time: which moments can be had, and what a copy says about a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.errors import NoWayBack
from rules.outcomes import Verdict
from rules.restore_points import (
    Comparison,
    RecoveryWindow,
    compare_items,
    copy_name,
    identity,
    judge_damaged,
    judge_restored,
    moment_before,
    refuse_outside,
)

AT = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
WINDOW = RecoveryWindow(enabled=True, earliest=AT - timedelta(days=35), latest=AT)


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        (AT, AT - timedelta(seconds=1)),
        (AT + timedelta(microseconds=1), AT),
        (datetime.fromisoformat("2026-03-01T05:00:00.5+02:00"), AT),
    ],
)
def test_the_last_whole_second_before_is_restored(since: datetime, moment: datetime) -> None:
    """Never the moment of the damage itself."""
    assert moment_before(since) == moment < since


@pytest.mark.parametrize(
    ("at", "window", "says"),
    [
        (AT, RecoveryWindow(enabled=False), "is off"),
        (AT + timedelta(seconds=1), WINDOW, "from 2026-01-25"),
        (AT - timedelta(days=36), WINDOW, "to 2026-03-01"),
    ],
)
def test_a_moment_outside_the_window_is_refused(at: datetime, window: RecoveryWindow, says: str) -> None:
    """Stand-ins would restore whatever they have."""
    with pytest.raises(NoWayBack, match=says):
        refuse_outside("items", at, window)


def test_both_ends_of_the_window_can_be_had() -> None:
    """They belong to it."""
    refuse_outside("items", AT, WINDOW)
    refuse_outside("items", AT - timedelta(days=35), WINDOW)


def test_a_copys_name_fits_and_is_the_same_for_the_same_moment() -> None:
    """255 characters are the most."""
    assert copy_name("items", AT) == "items-restored-20260301T030000"
    assert len(copy_name("x" * 255, AT)) <= 255


def test_items_are_compared_whole() -> None:
    """Another value, another attribute or none at all; a set's order is nothing."""
    then: list[dict[str, Any]] = [
        {"id": {"S": "same"}, "tags": {"SS": ["a", "b"]}},
        {"id": {"S": "changed"}, "text": {"S": "good"}},
        {"id": {"S": "grown"}},
        {"id": {"S": "gone"}},
    ]
    now: list[dict[str, Any]] = [
        {"id": {"S": "same"}, "tags": {"SS": ["b", "a"]}},
        {"id": {"S": "changed"}, "text": {"S": "bad"}},
        {"id": {"S": "grown"}, "text": {"S": "bad"}},
    ]

    found = compare_items(then, {identity(item, ("id",)): item for item in now}, ("id",))

    assert found == Comparison(same=1, changed=2, missing=1)
    assert judge_restored("items", found, AT).verdict is Verdict.FAIL
    assert judge_restored("items", Comparison(same=4), AT).verdict is Verdict.PASS


def test_somebodys_word_makes_data_damaged() -> None:
    """Nobody else can see it; once it was acted on, the same word again asks for nothing."""
    assert judge_damaged("items", AT).verdict is Verdict.FAIL
    again = judge_damaged("items", AT, put_back_by="INC-1")
    assert again.verdict is Verdict.PASS
    assert "INC-1" in again.reason
