"""What to do about failed tests before production: nothing, clean up after them, run them again.

Runbook source: 001, scenario 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.outcomes import Check, Verdict
from rules.test_failures import ADVICE, Classification, FailureKind
from rules.values import Frozen
from rules.workflow_runs import WorkflowRun

RUN = "run"
"""Name of the check that says how the run ended."""

_CODE = {FailureKind.CODE, FailureKind.MISSING_VARIABLE, FailureKind.DEPENDENCY}
_MOST_NAMED = 5


class Course(Frozen):
    """Whether running again can help, and why."""

    again: bool
    reason: str


def judge_tests(run: WorkflowRun, found: Classification | None) -> Check:
    """Whether something here has to be done about a run: not where it passed, nor where only its code is at fault."""
    if not run.ended:
        return Check(name=RUN, verdict=Verdict.INCONCLUSIVE, reason=f"{run.named} has not ended")
    if run.conclusion == "success":
        return Check(name=RUN, verdict=Verdict.PASS, reason=f"{run.named} passed, at attempt {run.attempt}")
    told = f"{run.named}, attempt {run.attempt}: {run.conclusion}"
    if found is None or not found.failures:
        return Check(name=RUN, verdict=Verdict.FAIL, reason=f"{told}; no failed test was found in its logs")
    code_alone = {failure.kind for failure in found.failures} <= _CODE
    verdict = Verdict.PASS if code_alone else Verdict.FAIL
    blame = "nothing here would cure it, its code would" if code_alone else found.summary
    return Check(name=RUN, verdict=verdict, reason=f"{told}; {blame}. {evidence(found)}")


def evidence(found: Classification) -> str:
    """The failed tests with the line that says why, and what helps."""
    named = [
        f"{failure.test} ({failure.kind.value}: {failure.evidence or failure.reason})"
        for failure in found.failures[:_MOST_NAMED]
    ]
    more = len(found.failures) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more > 0 else [])]) + f". {ADVICE[found.kind]}"


def course(found: Classification, place: Sequence[Check], newer: WorkflowRun | None) -> Course:
    """Whether the failed jobs may pass when they run again. `place` judges what they run against, as it is now."""
    broken = [f"{check.name}: {check.reason}" for check in place if check.verdict is not Verdict.PASS]
    if newer:
        return Course(again=False, reason=f"{newer.named} is newer: the older code would go over it")
    if not found.curable_by_running_again:
        return Course(again=False, reason=f"some of it no second try would cure: {evidence(found)}")
    if broken:
        return Course(again=False, reason=f"what the tests need is not in order: {'; '.join(broken)}")
    return Course(again=True, reason=f"what made it fail may be over: {evidence(found)}")


def judge_table(name: str, status: str, key: Sequence[str], wanted: Sequence[str]) -> Check:
    """Whether a table is there, can be used, and has the key that it should have."""
    if not status:
        return Check(name=f"table {name}", verdict=Verdict.FAIL, reason="it does not exist")
    if tuple(key) != tuple(wanted):
        told = f"its key is {', '.join(key)}, not {', '.join(wanted)}"
        return Check(name=f"table {name}", verdict=Verdict.FAIL, reason=told)
    ready = status in ("ACTIVE", "UPDATING")
    verdict = Verdict.PASS if ready else Verdict.INCONCLUSIVE
    return Check(
        name=f"table {name}", verdict=verdict, reason=f"it is {status}", wanted="ACTIVE", seen=status
    )


def judge_left_over(left: Mapping[str, int], run: str) -> list[Check]:
    """Whether a run left items in tables."""
    return [
        Check(
            name=f"test data {table}",
            verdict=Verdict.FAIL if items else Verdict.PASS,
            reason=f"run {run} left {items} items" if items else f"nothing of run {run} is left",
            wanted="none",
            seen=str(items),
        )
        for table, items in left.items()
    ]


def judge_again(run: WorkflowRun, attempt: int, failed_jobs: Sequence[str]) -> Check:
    """Whether a later attempt than `attempt` passed."""
    name = "run again"
    if run.attempt <= attempt or not run.ended:
        told = f"attempt {run.attempt} is {run.status.value}"
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=told, wanted="success")
    good = run.conclusion == "success"
    told = f"attempt {run.attempt}: {run.conclusion}" + (
        f" in {', '.join(failed_jobs)}" if failed_jobs else ""
    )
    verdict = Verdict.PASS if good else Verdict.FAIL
    return Check(name=name, verdict=verdict, reason=told, wanted="success", seen=run.conclusion)
