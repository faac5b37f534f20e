"""What many incidents say together: shares with their range, medians, and what counts as what."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.claims import ENOUGH, measured
from rules.outcomes import Ending, Verdict
from rules.report_periods import Period, name_of, span
from rules.track_records import Past, deliveries, durations, records, share

OPENED = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def past(ending: Ending = Ending.RECOVERED, seconds: float = 30, **more: Any) -> Past:
    """A canary that failed in production, told by an alarm ten seconds before."""
    values: dict[str, Any] = {
        "scenario": "canary-failure",
        "environment": "prod",
        "ending": ending,
        "opened_at": OPENED,
        "closed_at": OPENED + timedelta(seconds=seconds),
        "occurred_at": OPENED - timedelta(seconds=10),
        "phases": {"detect": 1.0, "act": seconds - 5, "verify": 3.0},
        **more,
    }
    return Past(**values)


@pytest.mark.parametrize(
    ("good", "of", "low", "high"),
    [(0, 20, 0.0, 0.161), (20, 20, 0.839, 1.0), (8, 10, 0.490, 0.943), (98, 100, 0.930, 0.994)],
)
def test_a_share_has_wilsons_range(good: int, of: int, low: float, high: float) -> None:
    """As the tables have it: twenty of twenty is no proof of 98 %."""
    found = share(good, of)

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_nothing_is_no_share() -> None:
    """Of nothing nothing is known: no value, and the widest range."""
    assert (share(0, 0).value, share(0, 0).low, share(0, 0).high) == (None, 0.0, 1.0)
    assert durations([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_a_median_lies_in_its_range(seconds: list[float]) -> None:
    """Whatever was measured: range, median and 95th percentile are in order and among what was measured."""
    found = durations(seconds)

    assert found is not None
    assert min(seconds) <= found.low <= found.median <= found.high <= max(seconds)
    assert found.median <= found.p95 <= max(seconds)


def test_what_counts_as_what() -> None:
    """Refused ones are no tries, nothing to do after an alarm is a false start, the alarm's own clock begins it."""
    [found] = records(
        [
            past(seconds=20),
            past(seconds=400),
            past(Ending.NOT_RECOVERED),
            past(Ending.REFUSED),
            past(Ending.NOTHING_TO_DO),
            past(Ending.NOTHING_TO_DO, occurred_at=None),
        ]
    )

    assert (found.incidents, found.refused) == (6, 1)
    assert (found.recovered.good, found.recovered.of) == (2, 3)
    assert (found.false_starts.good, found.false_starts.of) == (1, 5)
    assert found.to_recover is not None
    assert found.to_recover.median == pytest.approx((30 + 410) / 2)
    assert (found.in_time.good, found.in_time.of) == (1, 2)
    assert found.phases["detect"].count == 2


def test_each_environment_and_scenario_has_its_record() -> None:
    """In order, whatever the order of the incidents."""
    found = records(
        [past(environment="prod"), past(environment="dev"), past(scenario="stuck-alarm", environment="dev")]
    )

    told = [("dev", "canary-failure"), ("dev", "stuck-alarm"), ("prod", "canary-failure")]
    assert [(each.environment, each.scenario) for each in found] == told


def test_failed_deployments_are_counted_as_dora_does() -> None:
    """A failed deployment is one too many: two recoveries beside eight recorded releases are two of ten."""
    told = [past(), past(seconds=90), past(Ending.NOTHING_TO_DO), past(scenario="stuck-alarm")]

    [dev, prod] = deliveries(told, {"prod": 8, "dev": 3})

    assert (prod.change_failures.good, prod.change_failures.of) == (2, 10)
    assert prod.recovery is not None
    assert prod.recovery.count == 2
    assert (dev.change_failures.good, dev.change_failures.of, dev.recovery) == (0, 3, None)


@pytest.mark.parametrize(
    ("count", "seconds", "verdict"),
    [
        (ENOUGH, 100, Verdict.PASS),
        (ENOUGH, 500, Verdict.FAIL),
        (ENOUGH - 1, 100, Verdict.INCONCLUSIVE),
        (ENOUGH - 1, 500, Verdict.INCONCLUSIVE),
    ],
)
def test_a_time_is_judged_only_where_enough_was_measured(
    count: int, seconds: float, verdict: Verdict
) -> None:
    """Five minutes for a canary: kept, broken, or too few to tell."""
    [found] = [
        each for each in measured([past(seconds=seconds)] * count) if each.claim == "a canary's rollback"
    ]

    assert (found.verdict, found.count) == (verdict, count)


def test_a_share_is_judged_by_its_whole_range() -> None:
    """All of 20 may still be 84 %: that does not prove 95. All of 100 does; half of 100 disproves it."""
    failed = past(Ending.NOT_RECOVERED)

    def verdict(told: list[Past]) -> Verdict:
        return next(each.verdict for each in measured(told) if each.claim == "recoveries that succeed")

    assert verdict([past()] * 20) is Verdict.INCONCLUSIVE
    assert verdict([past()] * 100) is Verdict.PASS
    assert verdict([past(), failed] * 50) is Verdict.FAIL


def test_a_stack_is_measured_by_how_much_went_back() -> None:
    """Configuration, with data, all of it and forced are four promises, and an incident counts for one of them."""
    asked = {
        "rollback of configuration": {"preserve_data": "true", "scope": "configuration", "force": "false"},
        "configuration and data": {"preserve_data": "false", "scope": "configuration", "force": "false"},
        "full rollback": {"preserve_data": "false", "scope": "full", "force": "false"},
        "forced rollback": {"preserve_data": "false", "scope": "full", "force": "true"},
    }
    told = [past(scenario="stack-rollback", parameters=each, restore_age=120.0) for each in asked.values()]

    found = {each.claim: each for each in measured(told)}

    assert {claim: found[claim].count for claim in asked} == dict.fromkeys(asked, 1)
    assert (found["age of the data restored"].value, found["age of the data restored"].count) == (120.0, 4)


def test_a_report_is_about_a_whole_time() -> None:
    """The day or the month before, over a year's end too."""
    assert span(Period.DAY, date(2026, 1, 1)) == (
        datetime(2025, 12, 31, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    since, until = span(Period.MONTH, date(2026, 1, 31))
    assert (since, until) == (datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
    assert name_of(Period.MONTH, since) == "2025-12"
