"""Which run is stuck: a table of what runs do, and what must hold for every run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.outcomes import Verdict
from rules.workflow_runs import (
    RunLook,
    RunState,
    RunStatus,
    WorkflowJob,
    WorkflowRun,
    WorkflowStep,
    interrupts_a_deployment,
    judge_new_attempt,
    judge_run,
    superseded_by,
)

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
STUCK, SILENT = timedelta(minutes=30), timedelta(minutes=10)
S = RunStatus


def ago(minutes: float) -> datetime:
    """A moment before now."""
    return NOW - timedelta(minutes=minutes)


def run(status: RunStatus = S.IN_PROGRESS, minutes: float = 45, **changes: object) -> WorkflowRun:
    """A run of the deploying workflow that began so long ago."""
    told = {
        "id": 7, "attempt": 1, "workflow": "build-and-promote.yml", "title": "Release", "branch": "main",
        "sha": "a" * 40, "event": "push", "status": status, "created_at": ago(minutes), "started_at": ago(minutes),
    }  # fmt: skip
    return WorkflowRun.model_validate(told | changes)


def job(step: str, begun: float, status: RunStatus = S.IN_PROGRESS, name: str = "job") -> WorkflowJob:
    """A job whose one step began so many minutes ago."""
    steps = (WorkflowStep(name=step, status=S.IN_PROGRESS, started_at=ago(begun)),)
    return WorkflowJob(id=1, name=name, status=status, started_at=ago(begun), steps=steps)


def look(seen: WorkflowRun, *jobs: WorkflowJob) -> RunLook:
    """The run with its jobs, now."""
    return RunLook(run=seen, jobs=jobs, at=NOW)


@pytest.mark.parametrize(
    ("seen", "state", "told"),
    [
        (look(run(S.COMPLETED, conclusion="failure")), RunState.ENDED, "failure"),
        (look(run(minutes=29), job("pytest", 28)), RunState.YOUNG, "29 min"),
        (look(run(minutes=45), job("pytest", 44)), RunState.STUCK, "«job / pytest»"),
        (look(run(minutes=45), job("pytest", 9)), RunState.PROGRESSES, "9 min ago"),
        (look(run(minutes=45), job("pytest", -3)), RunState.PROGRESSES, "ago"),
        (look(run(S.WAITING, 600)), RunState.WAITS_FOR_APPROVAL, "person"),
        (
            look(run(S.IN_PROGRESS, 600), job("x", 500, S.WAITING)),
            RunState.WAITS_FOR_APPROVAL,
            "person",
        ),
        (look(run(S.PENDING, 600)), RunState.WAITS_FOR_ANOTHER, "concurrency"),
        (look(run(S.QUEUED, 45)), RunState.STUCK, "queue"),
        (look(run(S.IN_PROGRESS, 45, created_at=ago(3000))), RunState.STUCK, "45 min"),
        (look(run(S.IN_PROGRESS, 5, created_at=ago(3000))), RunState.YOUNG, "5 min"),
    ],
    ids=[
        "ended",
        "young",
        "hangs",
        "progresses",
        "progresses, on a clock ahead of ours",
        "waits for approval",
        "a job waits",
        "waits for another",
        "in the queue",
        "old run, old attempt",
        "old run, new attempt",
    ],
)
def test_each_state_is_told_apart(seen: RunLook, state: RunState, told: str) -> None:
    """By the attempt's age, its last sign and what it waits for; each with its reason."""
    verdict = judge_run(seen, STUCK, SILENT)

    assert verdict.state is state
    assert told in verdict.reason


@given(
    st.sampled_from(RunStatus),
    st.floats(0, 10_000),
    st.floats(0, 10_000),
    st.sampled_from([S.IN_PROGRESS, S.WAITING, S.COMPLETED, S.QUEUED]),
)
def test_what_moved_lately_or_waits_is_never_stuck(
    status: RunStatus, minutes: float, sign: float, job_status: RunStatus
) -> None:
    """Whatever its age: a sign within the silence, or somebody who has to decide, keeps a run from being ended."""
    seen = look(run(status, minutes), job("x", min(sign, minutes), job_status))
    state = judge_run(seen, STUCK, SILENT).state

    if min(sign, minutes) < 10 or minutes < 30:
        assert state is not RunState.STUCK
    if status in (S.WAITING, S.PENDING, S.COMPLETED) or job_status is S.WAITING:
        assert state is not RunState.STUCK


@pytest.mark.parametrize(
    ("changes", "supersedes"),
    [
        ({}, True),
        ({"status": S.COMPLETED, "conclusion": "success"}, True),
        ({"status": S.COMPLETED, "conclusion": "failure"}, False),
        ({"status": S.COMPLETED, "conclusion": "cancelled"}, False),
        ({"branch": "topic"}, False),
        ({"workflow": "tests-dev.yml"}, False),
        ({"event": "schedule"}, False),
        ({"created_at": ago(100)}, False),
    ],
    ids=[
        "under way",
        "succeeded",
        "failed",
        "cancelled",
        "other branch",
        "other workflow",
        "other event",
        "older",
    ],
)
def test_older_code_is_not_put_over_newer(changes: dict[str, object], supersedes: bool) -> None:
    """A later run of the same workflow, branch and event that did not end badly takes the stuck one's place."""
    newer = run(minutes=20, id=8).model_copy(update=changes)

    assert (superseded_by(run(), [run(), newer]) == newer) is supersedes


@pytest.mark.parametrize(
    ("jobs", "interrupts"),
    [
        ([job("Terraform apply", 40)], True),
        ([job("Deploy to Preprod", 40)], True),
        ([job("pytest", 40, name="deploy")], False),
        ([job("pytest", 40)], False),
        ([], False),
    ],
)
def test_ending_a_deployment_is_told(jobs: list[WorkflowJob], interrupts: bool) -> None:
    """By the step that is under way."""
    assert interrupts_a_deployment(look(run(), *jobs)) is interrupts


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (look(run(S.COMPLETED, conclusion="cancelled")), Verdict.FAIL),
        (look(run(S.QUEUED, 0, attempt=2)), Verdict.INCONCLUSIVE),
        (look(run(S.IN_PROGRESS, 0, attempt=2), job("x", 0)), Verdict.PASS),
        (look(run(S.COMPLETED, 0, attempt=2, conclusion="success"), job("x", 0, S.COMPLETED)), Verdict.PASS),
        (look(run(S.COMPLETED, 0, attempt=2, conclusion="failure"), job("x", 0, S.COMPLETED)), Verdict.FAIL),
    ],
    ids=["none", "in the queue", "moves", "succeeded", "failed again"],
)
def test_a_new_attempt_is_proven_by_its_jobs(seen: RunLook, verdict: Verdict) -> None:
    """In the queue is no proof, failing again is none either."""
    assert judge_new_attempt(seen, 1).verdict is verdict
