"""Runs of GitHub workflows, and whether one is stuck.

Runbook source: 001 «GitHub Actions Workflow Stuck». Age alone is not enough: a run that waits for a person or for
another run, or whose steps still begin and end, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from rules.outcomes import Check, Verdict
from rules.values import Frozen


class RunStatus(StrEnum):
    """Where a run or a job is in its life: GitHub's own words."""

    REQUESTED = "requested"
    PENDING = "pending"
    QUEUED = "queued"
    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class WorkflowStep(Frozen):
    """One step of a job. Times are UTC; `conclusion` is empty until it has ended."""

    name: str
    status: RunStatus
    conclusion: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None


class WorkflowJob(Frozen):
    """One job of one attempt of a run."""

    id: int
    name: str
    status: RunStatus
    conclusion: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    steps: tuple[WorkflowStep, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it ended badly by itself."""
        return self.conclusion in {"failure", "timed_out"}


class WorkflowRun(Frozen):
    """One run of a workflow at its latest attempt; `workflow` is the file's name."""

    id: int
    attempt: int
    workflow: str
    title: str
    branch: str
    sha: str
    event: str
    status: RunStatus
    conclusion: str = ""
    created_at: datetime
    started_at: datetime
    """Of this attempt."""
    url: str = ""
    pull_requests: tuple[int, ...] = ()
    """Numbers of the open pull requests whose head it tests; empty for those that come from forks."""

    @property
    def ended(self) -> bool:
        """Whether this attempt is over."""
        return self.status is RunStatus.COMPLETED

    @property
    def named(self) -> str:
        """How it is called in a sentence."""
        return f"run {self.id} of {self.workflow}"


class RunLook(Frozen):
    """A run with the jobs of its latest attempt, as seen at `at`, UTC."""

    run: WorkflowRun
    jobs: tuple[WorkflowJob, ...]
    at: datetime

    @property
    def last_sign(self) -> datetime:
        """When anything of this attempt last began or ended."""
        times = [self.run.started_at]
        for job in self.jobs:
            times += [at for at in (job.started_at, job.completed_at) if at]
            times += [at for step in job.steps for at in (step.started_at, step.completed_at) if at]
        return max(times)

    @property
    def running_step(self) -> str:
        """The step that is under way, with its job; empty when none is."""
        for job in self.jobs:
            for step in job.steps:
                if step.status is RunStatus.IN_PROGRESS:
                    return f"{job.name} / {step.name}"
        return ""

    @property
    def moves(self) -> bool:
        """Whether this attempt has come further than the queue."""
        return any(job.status in (RunStatus.IN_PROGRESS, RunStatus.COMPLETED) for job in self.jobs)


class RunState(StrEnum):
    """What a run is doing."""

    ENDED = "ended"
    YOUNG = "young"
    WAITS_FOR_APPROVAL = "waits for approval"
    WAITS_FOR_ANOTHER = "waits for another run"
    PROGRESSES = "progresses"
    STUCK = "stuck"


class RunVerdict(Frozen):
    """What a run is doing, and why it is taken for that."""

    state: RunState
    reason: str


def judge_run(look: RunLook, stuck_after: timedelta, silent_for: timedelta) -> RunVerdict:
    """Whether a run is stuck: older than `stuck_after`, and for `silent_for` no job or step of it began or ended."""
    run = look.run
    if run.ended:
        return RunVerdict(
            state=RunState.ENDED, reason=f"{run.named} has ended: {run.conclusion or 'no conclusion'}"
        )
    if run.status is RunStatus.WAITING or any(job.status is RunStatus.WAITING for job in look.jobs):
        return RunVerdict(
            state=RunState.WAITS_FOR_APPROVAL,
            reason=f"{run.named} waits for a person to approve its deployment",
        )
    if run.status is RunStatus.PENDING:
        return RunVerdict(
            state=RunState.WAITS_FOR_ANOTHER,
            reason=f"{run.named} waits for another run of its concurrency group",
        )
    age, silence = look.at - run.started_at, look.at - look.last_sign
    if age < stuck_after:
        return RunVerdict(
            state=RunState.YOUNG,
            reason=f"{run.named} began {_minutes(age)} ago; stuck is one of more than {_minutes(stuck_after)}",
        )
    if silence < silent_for:
        return RunVerdict(
            state=RunState.PROGRESSES,
            reason=f"{run.named} still progresses: its last step began or ended {_minutes(silence)} ago",
        )
    where = (
        f"in «{look.running_step}»"
        if look.running_step
        else "in the queue"
        if not look.moves
        else "in no step"
    )
    return RunVerdict(
        state=RunState.STUCK, reason=f"{run.named} began {_minutes(age)} ago and is silent {where}"
    )


def superseded_by(run: WorkflowRun, others: Iterable[WorkflowRun]) -> WorkflowRun | None:
    """The newest later run of the same workflow, branch and event that did not end badly; None: there is none.

    Running the older one again would put older code over newer.
    """
    later = [
        other
        for other in others
        if other.id != run.id
        and (other.workflow, other.branch, other.event) == (run.workflow, run.branch, run.event)
        and other.created_at > run.created_at
        and (not other.ended or other.conclusion == "success")
    ]
    return max(later, key=lambda other: other.created_at, default=None)


def _minutes(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


_DEPLOYS = re.compile(r"\b(?:apply|deploy\w*|destroy|terraform|rollout|publish|migrat\w+)\b", re.IGNORECASE)


def interrupts_a_deployment(look: RunLook) -> bool:
    """Whether ending the run now may leave something half deployed, as the name of its running step tells.

    A job's name counts only where no step is under way: a job called «deploy» also checks out code.
    """
    step = look.running_step.rpartition(" / ")[2]
    if step:
        return bool(_DEPLOYS.search(step))
    running = [job.name for job in look.jobs if job.status is RunStatus.IN_PROGRESS]
    return any(_DEPLOYS.search(name) for name in running)


def judge_new_attempt(look: RunLook, attempt: int) -> Check:
    """Whether a run began again after `attempt`, and has come further than the queue."""
    name, run = f"{look.run.named} again", look.run
    wanted = f"attempt {attempt + 1} moves"
    if run.attempt <= attempt:
        return Check(name=name, verdict=Verdict.FAIL, reason="no new attempt was begun", wanted=wanted)
    seen = f"attempt {run.attempt} {run.conclusion or run.status.value}"
    if run.ended and run.conclusion != "success":
        return Check(
            name=name, verdict=Verdict.FAIL, reason=f"it ended again: {seen}", wanted=wanted, seen=seen
        )
    if not look.moves:
        return Check(
            name=name,
            verdict=Verdict.INCONCLUSIVE,
            reason="no runner has taken a job of it yet",
            wanted=wanted,
            seen=seen,
        )
    return Check(name=name, verdict=Verdict.PASS, reason=f"{seen}", wanted=wanted, seen=seen)
