"""How a test run ended, and whether another try may help."""

from __future__ import annotations

import pytest

from rules.outcomes import Verdict
from rules.pytest_logs import failed_tests
from rules.run_failures import RunEnd, judge_effects, judge_end, worth_another
from rules.test_failures import classify

PASSED = RunEnd(run="run-1", exit_code=0)
FAILED = RunEnd(run="run-1", exit_code=3)
LOST = "ConnectionError: Connection reset by peer"
BROKEN = "E   AssertionError: assert 23 == 24"


@pytest.mark.parametrize(
    ("end", "alive", "later", "verdict", "told"),
    [
        (PASSED, False, None, Verdict.PASS, "passed"),
        (FAILED, False, None, Verdict.FAIL, "exit code 3: infrastructure"),
        (FAILED, True, None, Verdict.PASS, "still runs"),
        (FAILED, False, RunEnd(run="run-1-retry-1", exit_code=0), Verdict.PASS, "as run-1-retry-1"),
        (RunEnd(run="run-1", exit_code=None), False, None, Verdict.FAIL, "does not tell"),
        (RunEnd(run="run-1", exit_code=0, missing=("report.md",)), False, None, Verdict.FAIL, "no report.md"),
    ],
)
def test_how_it_ended(end: RunEnd, alive: bool, later: RunEnd | None, verdict: Verdict, told: str) -> None:
    """By its exit code and its artifacts; a later try that passed counts."""
    check = judge_end(end, classify(failed_tests("run-1", LOST)), alive=alive, later=later)

    assert check.verdict is verdict
    assert told in check.reason


@pytest.mark.parametrize(
    ("end", "said", "again"),
    [
        (PASSED, "", True),
        (FAILED, LOST, True),
        (FAILED, "botocore: ThrottlingException: Rate exceeded", True),
        (FAILED, BROKEN, False),
        (FAILED, "", False),
        (RunEnd(run="run-1", exit_code=None), LOST, False),
    ],
)
def test_whether_another_try_may_help(end: RunEnd, said: str, again: bool) -> None:
    """Broken code stays broken; what nobody knows is looked at by a person."""
    assert worth_another(end, classify(failed_tests("run-1", said)))[0] is again


def test_what_was_touched_elsewhere_is_another_scenario() -> None:
    """Only a run that kept to its own queues needs no rolling back."""
    assert "nothing needs rolling back" in judge_effects("run-1", []).reason
    assert judge_effects("run-1", ["billing"]).verdict is Verdict.FAIL
