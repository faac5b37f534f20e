"""What is done about failed tests before production, row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rules.outcomes import Check, Verdict
from rules.preprod_tests import course, judge_again, judge_left_over, judge_table, judge_tests
from rules.test_failures import Classification, Failure, FailureKind
from rules.workflow_runs import RunStatus, WorkflowRun

AT = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
FINE = Check(name="table t", verdict=Verdict.PASS, reason="it is ACTIVE")
MISSING = Check(name="table t", verdict=Verdict.FAIL, reason="it does not exist")


def run(conclusion: str = "failure", **changes: Any) -> WorkflowRun:
    """A run of the deploying workflow that has ended."""
    status = RunStatus.COMPLETED if conclusion else RunStatus.IN_PROGRESS
    given: dict[str, Any] = {
        "id": 7,
        "attempt": 1,
        "workflow": "w.yml",
        "title": "t",
        "branch": "main",
        "sha": "1" * 40,
    }
    given |= {"event": "push", "status": status, "conclusion": conclusion, "created_at": AT, "started_at": AT}
    return WorkflowRun(**given | changes)


def failed(*kinds: FailureKind) -> Classification:
    """One failed test of each kind."""
    return Classification(
        failures=tuple(
            Failure(test=f"t.py::test_{kind.name.lower()}", kind=kind, reason="r") for kind in kinds
        )
    )


@pytest.mark.parametrize(
    ("seen", "found", "verdict", "says"),
    [
        (run("success"), None, Verdict.PASS, "passed"),
        (run(""), None, Verdict.INCONCLUSIVE, "has not ended"),
        (run(), failed(FailureKind.CODE), Verdict.PASS, "t.py::test_code"),
        (run(), failed(FailureKind.CODE, FailureKind.DEPENDENCY), Verdict.PASS, "its code would"),
        (run(), failed(FailureKind.CODE, FailureKind.THROTTLING), Verdict.FAIL, "2 failed"),
        (run(), failed(FailureKind.POLLUTED_DATA), Verdict.FAIL, "Remove what an earlier test run left"),
        (run(), failed(FailureKind.UNKNOWN), Verdict.FAIL, "nothing in it is known"),
        (run(), Classification(), Verdict.FAIL, "no failed test"),
        (run("timed_out"), None, Verdict.FAIL, "timed_out"),
    ],
)
def test_what_a_run_asks_for(
    seen: WorkflowRun, found: Classification | None, verdict: Verdict, says: str
) -> None:
    """Nothing is to be done here where it passed, or where its code alone is at fault: then the tests are named."""
    check = judge_tests(seen, found)

    assert check.verdict is verdict
    assert says in check.reason


@pytest.mark.parametrize(
    ("found", "place", "newer", "again", "says"),
    [
        (failed(FailureKind.POLLUTED_DATA), FINE, None, True, "may be over"),
        (failed(FailureKind.THROTTLING, FailureKind.INFRASTRUCTURE), FINE, None, True, "may be over"),
        (failed(FailureKind.THROTTLING, FailureKind.CODE), FINE, None, False, "no second try"),
        (failed(FailureKind.UNKNOWN), FINE, None, False, "no second try"),
        (Classification(), FINE, None, False, "no second try"),
        (failed(FailureKind.INFRASTRUCTURE), MISSING, None, False, "table t: it does not exist"),
        (failed(FailureKind.POLLUTED_DATA), FINE, run(id=8), False, "run 8"),
    ],
)
def test_when_running_again_can_help(
    found: Classification, place: Check, newer: WorkflowRun | None, again: bool, says: str
) -> None:
    """Only where no failure needs other code, what the tests need is in order, and no newer run is there."""
    chosen = course(found, [place], newer)

    assert chosen.again is again
    assert says in chosen.reason


@pytest.mark.parametrize(
    ("status", "key", "verdict"),
    [
        ("ACTIVE", ("a", "b"), Verdict.PASS),
        ("UPDATING", ("a", "b"), Verdict.PASS),
        ("CREATING", ("a", "b"), Verdict.INCONCLUSIVE),
        ("ACTIVE", ("a",), Verdict.FAIL),
        ("", (), Verdict.FAIL),
    ],
)
def test_a_table_is_in_order_or_not(status: str, key: tuple[str, ...], verdict: Verdict) -> None:
    """There, usable, and with the key it should have."""
    assert judge_table("t", status, key, ("a", "b")).verdict is verdict


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (run("success", attempt=2), Verdict.PASS),
        (run("failure", attempt=2), Verdict.FAIL),
        (run("", attempt=2), Verdict.INCONCLUSIVE),
        (run("failure", attempt=1), Verdict.INCONCLUSIVE),
    ],
)
def test_only_a_later_attempt_proves_anything(seen: WorkflowRun, verdict: Verdict) -> None:
    """The attempt that failed says nothing about the one that was asked for."""
    assert judge_again(seen, 1, ["test"]).verdict is verdict


def test_left_over_items_are_told_by_table() -> None:
    """How many of which run, where."""
    checks = judge_left_over({"a": 3, "b": 0}, "7")

    assert [(check.name, check.verdict) for check in checks] == [
        ("test data a", Verdict.FAIL),
        ("test data b", Verdict.PASS),
    ]
