"""Why an alarm does not clear, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.alarm_evidence import AlarmDefinition, Cause, Missing, diagnose, hint, judge, stays_ok
from rules.health import AlarmState
from rules.outcomes import Verdict

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def alarm(**changes: Any) -> AlarmDefinition:
    """An alarm on errors that has been firing for an hour; two periods of a minute."""
    given: dict[str, Any] = {
        "name": "prod-errors",
        "state": AlarmState.ALARM,
        "since": NOW - timedelta(hours=1),
        "metric": "Errors",
        "comparison": "GreaterThanOrEqualToThreshold",
        "threshold": 1.0,
        "evaluation_periods": 2,
    }
    return AlarmDefinition(**given | changes)


@pytest.mark.parametrize(
    ("changes", "points", "cause"),
    [
        ({"state": AlarmState.OK}, [], Cause.FINE),
        ({"state": AlarmState.OK, "actions_enabled": False}, [], Cause.SILENT),
        ({}, [0.0, 3.0], Cause.REALLY_BAD),
        ({}, [3.0, 0.0], Cause.REALLY_BAD),
        ({}, [0.0, 0.0], Cause.STUCK),
        ({"since": NOW - timedelta(seconds=90)}, [0.0, 0.0], Cause.CLEARING),
        ({"since": NOW - timedelta(seconds=180)}, [0.0, 0.0], Cause.CLEARING),
        ({"since": NOW - timedelta(seconds=181)}, [0.0, 0.0], Cause.STUCK),
        ({"missing": Missing.IGNORE}, [], Cause.STUCK),
        ({"missing": Missing.IGNORE, "state": AlarmState.INSUFFICIENT_DATA}, [], Cause.NO_DATA),
        ({"missing": Missing.BREACHING}, [], Cause.REALLY_BAD),
        ({"missing": Missing.BREACHING}, [0.0], Cause.REALLY_BAD),
        ({"missing": Missing.NOT_BREACHING}, [], Cause.CLEARING),
        ({"missing": Missing.MISSING}, [], Cause.NO_DATA),
        ({"rule": 'ALARM("a") OR ALARM("b")', "metric": ""}, [], Cause.FOLLOWS),
        ({"metric": ""}, [], Cause.UNREADABLE),
        ({"comparison": "LessThanLowerOrGreaterThanUpperThreshold"}, [0.0], Cause.UNREADABLE),
        ({"comparison": "LessThanThreshold", "threshold": 5.0}, [4.0, 9.0], Cause.REALLY_BAD),
        ({"comparison": "LessThanThreshold", "threshold": 5.0}, [5.0, 9.0], Cause.STUCK),
        ({"comparison": "LessThanOrEqualToThreshold", "threshold": 5.0}, [5.0, 9.0], Cause.REALLY_BAD),
        ({"comparison": "GreaterThanThreshold"}, [1.0, 1.0], Cause.STUCK),
    ],
)
def test_each_cause_is_told_apart(changes: dict[str, Any], points: list[float], cause: Cause) -> None:
    """Only good evidence that nothing will evaluate anew makes an alarm a stuck one."""
    assert diagnose(alarm(**changes), points, NOW).cause is cause


@given(
    points=st.lists(st.floats(min_value=1, max_value=1e6), min_size=1),
    good=st.lists(st.floats(min_value=-1e6, max_value=0.99)),
    missing=st.sampled_from(Missing),
    age=st.integers(min_value=0, max_value=10**7),
)
def test_a_bad_point_is_never_explained_away(
    points: list[float], good: list[float], missing: Missing, age: int
) -> None:
    """Whatever else is so: while one point that it looks at breaches, an alarm is not stuck."""
    firing = alarm(missing=missing, since=NOW - timedelta(seconds=age))

    assert diagnose(firing, [*good, *points], NOW).cause is Cause.REALLY_BAD


def test_only_what_can_be_mended_is_a_failure() -> None:
    """Stuck and silent fail, fine passes, everything else is no verdict and says what to do instead."""
    for cause in Cause:
        found = diagnose(alarm(), [0.0, 0.0], NOW).model_copy(update={"cause": cause})
        wanted = {
            Cause.FINE: Verdict.PASS,
            Cause.SILENT: Verdict.FAIL,
            Cause.STUCK: Verdict.FAIL,
        }.get(cause, Verdict.INCONCLUSIVE)
        assert judge(alarm(), found).verdict is wanted
        assert bool(hint(cause)) is (wanted is Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"state": AlarmState.OK}, Verdict.PASS),
        ({"state": AlarmState.OK, "actions_enabled": False}, Verdict.FAIL),
        ({"state": AlarmState.ALARM}, Verdict.FAIL),
        ({"state": AlarmState.INSUFFICIENT_DATA}, Verdict.FAIL),
    ],
)
def test_it_has_to_stay_ok(changes: dict[str, Any], verdict: Verdict) -> None:
    """What CloudWatch set back is not mended."""
    assert stays_ok(alarm(**changes), 60).verdict is verdict
