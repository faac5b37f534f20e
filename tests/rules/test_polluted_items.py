"""What a run wrote is told from everything else, or left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.errors import RecoveryRefused
from rules.polluted_items import (
    LATE,
    RunMarks,
    RunWindow,
    Selector,
    cost_of_deleting,
    selector_for,
    written_at,
)
from rules.severity import Destructiveness, Tier

BEGAN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
WINDOW = RunWindow(run="4711", began=BEGAN, ended=BEGAN + timedelta(minutes=10))
OWN = RunMarks(key_prefix="test-{run}-", written_attribute="timestamp")
SHARED = RunMarks(key_prefix="test-", written_attribute="timestamp")
BY_ATTRIBUTE = RunMarks(run_attribute="test_run", written_attribute="created")


def selector(marks: RunMarks | None = OWN, **changes: Any) -> Selector:
    """What chooses the items of run 4711 in preprod."""
    asked: dict[str, Any] = {"table": "items", "hash_key": "source_id", "tier": Tier.PREPROD}
    return selector_for(marks, WINDOW, **asked | changes)


def item(source: str, at: datetime | str, **more: dict[str, str]) -> dict[str, dict[str, str]]:
    """An item of the service."""
    stamp = at if isinstance(at, str) else at.isoformat()
    return {"source_id": {"S": source}, "timestamp": {"S": stamp}, "created": {"S": stamp}, **more}


@pytest.mark.parametrize(
    ("marks", "entry", "chosen"),
    [
        (OWN, item("test-4711-a", BEGAN), True),
        (OWN, item("test-4711-a", "2026-03-01T03:05:00Z"), True),
        (OWN, item("test-4711-a", "2026-03-01T03:05:00"), True),
        (OWN, item("test-4711-a", "2026-03-01T05:05:00+02:00"), True),
        (OWN, item("test-4711-a", WINDOW.ended + LATE), True),
        (OWN, item("test-4711-a", WINDOW.ended + LATE + timedelta(seconds=1)), False),
        (OWN, item("test-4711-a", BEGAN - timedelta(seconds=1)), False),
        (OWN, item("test-4711-a", "yesterday"), False),
        (OWN, item("test-4711-a", "20260301"), False),
        (OWN, {"source_id": {"S": "test-4711-a"}}, False),
        (OWN, item("test-47110-a", BEGAN), False),
        (OWN, item("test-4712-a", BEGAN), False),
        (OWN, item("my-test-4711-a", BEGAN), False),
        (OWN, item("newsapi", BEGAN), False),
        (SHARED, item("test-a", WINDOW.ended), True),
        (SHARED, item("test-a", WINDOW.ended + timedelta(seconds=1)), False),
        (SHARED, item("tester", BEGAN), False),
        (BY_ATTRIBUTE, item("newsapi", BEGAN, test_run={"S": "4711"}), True),
        (BY_ATTRIBUTE, item("newsapi", BEGAN, test_run={"N": "4711"}), True),
        (BY_ATTRIBUTE, item("newsapi", BEGAN, test_run={"S": "47110"}), False),
        (BY_ATTRIBUTE, item("newsapi", BEGAN), False),
        (BY_ATTRIBUTE, item("test-4711-a", BEGAN), False),
    ],
)
def test_only_what_the_run_marked_in_its_time_is_chosen(
    marks: RunMarks, entry: dict[str, Any], chosen: bool
) -> None:
    """Mark and time must both fit; when in doubt an item is not the run's."""
    assert selector(marks).chooses(entry) is chosen


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ({"N": str(int(BEGAN.timestamp()))}, BEGAN),
        ({"N": str(int(BEGAN.timestamp() * 1000))}, BEGAN),
        ({"N": "1e400"}, None),
        ({"S": "2026-03-01 03:00:00+00:00"}, BEGAN),
        ({"BOOL": True}, None),
        ({}, None),
    ],
)
def test_moments_are_read_or_there_are_none(value: dict[str, object], moment: datetime | None) -> None:
    """ISO 8601, seconds or milliseconds; nothing is guessed."""
    assert written_at({"at": value}, "at") == moment


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"key_prefix": "t-"},
        {"key_prefix": "---"},
        {"key_prefix": "{run}"},
        {"key_prefix": "test-{run}a"},
        {"key_prefix": "test-{run}-{run}-"},
        {"key_prefix": "{other}-test-"},
        {"key_prefix": "test-", "run_attribute": "test_run"},
    ],
    ids=str,
)
def test_marks_that_tell_nothing_apart_are_refused(bad: dict[str, str]) -> None:
    """Whatever could choose everything, or another run's items, is no mark."""
    with pytest.raises(ValidationError):
        RunMarks(written_attribute="timestamp", **bad)


def test_a_selector_without_a_mark_cannot_be_made() -> None:
    """Not by hand either."""
    with pytest.raises(ValidationError, match="everything"):
        Selector(**selector().model_dump() | {"prefix": ""})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tier": Tier.PRODUCTION}, "production"),
        ({"marks": None}, "how test runs mark"),
        (
            {"marks": SHARED, "others": [RunWindow(run="4712", began=WINDOW.ended, ended=WINDOW.ended)]},
            "4712",
        ),
    ],
)
def test_what_cannot_be_told_apart_is_refused(changes: dict[str, Any], says: str) -> None:
    """In production nothing is test data; without marks, or with another run's alike, nothing is chosen."""
    with pytest.raises(RecoveryRefused, match=says):
        selector(**changes)


def test_another_run_does_not_matter_where_items_name_theirs() -> None:
    """Two runs at once are told apart by their ids."""
    other = RunWindow(run="4712", began=WINDOW.began, ended=WINDOW.ended)

    assert not selector(others=[other]).chooses(item("test-4712-a", BEGAN))


@pytest.mark.parametrize(
    ("now", "same"),
    [
        (item("test-4711-a", BEGAN), True),
        (item("test-4711-a", BEGAN, score={"N": "3"}), True),
        (item("test-4711-a", BEGAN + timedelta(seconds=1)), False),
        ({}, False),
    ],
)
def test_an_item_written_anew_is_another_one(now: dict[str, Any], same: bool) -> None:
    """What was only added to, a score for instance, is still the one that was kept."""
    assert selector().same_writing(item("test-4711-a", BEGAN), now) is same


@pytest.mark.parametrize(
    ("polluted", "cost"), [(50, Destructiveness.REVERSIBLE), (51, Destructiveness.DISRUPTIVE)]
)
def test_of_more_than_half_a_table_a_person_is_asked(polluted: int, cost: Destructiveness) -> None:
    """Although a copy is kept."""
    assert cost_of_deleting(polluted, 100) is cost


IDS = st.text("0123456789abc", min_size=3, max_size=6)
MOMENTS = st.datetimes(BEGAN.replace(tzinfo=None), WINDOW.ended.replace(tzinfo=None), timezones=st.just(UTC))


@given(
    ours=IDS, other=IDS, began=MOMENTS, seconds=st.integers(0, 90_000), at=MOMENTS, tail=st.text(max_size=6)
)
def test_an_innocent_item_is_never_chosen(
    ours: str, other: str, began: datetime, seconds: int, at: datetime, tail: str
) -> None:
    """Not another run's, however alike the ids; not one without a mark; not one written before the run began."""
    window = RunWindow(run=ours, began=began, ended=began + timedelta(seconds=seconds))
    for marks in (OWN, BY_ATTRIBUTE):
        chosen = selector_for(marks, window, table="items", hash_key="source_id", tier=Tier.QA)
        innocent = [item(tail, at), item(f"test-{tail}", at)]
        innocent = [entry for entry in innocent if not entry["source_id"]["S"].startswith(f"test-{ours}-")]
        if other != ours:
            innocent += [item(f"test-{other}-{tail}", at), item("x", at, test_run={"S": other})]
        if at < began:
            innocent += [item(f"test-{ours}-{tail}", at), item("x", at, test_run={"S": ours})]

        assert not [entry for entry in innocent if chosen.chooses(entry)]
