"""What the stand-in remembers: one repository, its workflows and runs, pull requests, comments and issues."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.github_api.lives import Attempt, JobScript, StepScript, live

OWNER, NAME = "acme", "sentiment-service"
DEPLOY, TESTS = "build-and-promote.yml", "tests-dev.yml"
WORKFLOWS = {DEPLOY: (101, "Build and Promote"), TESTS: (102, "Tests (Dev)")}
"""Number and name of each workflow, by its file."""


@dataclass(slots=True)
class Run:
    """A run of a workflow."""

    id: int
    number: int
    workflow: str
    branch: str
    sha: str
    event: str
    title: str
    created: datetime
    attempts: list[Attempt]
    pull_request: int | None = None
    queued_again: float = 0.3
    """How long a new attempt stays in the queue."""
    artifacts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Files by name, by artifact."""

    @property
    def latest(self) -> Attempt:
        """Its newest attempt."""
        return self.attempts[-1]


@dataclass(slots=True)
class Comment:
    """What somebody said on an issue or a pull request."""

    id: int
    body: str
    created: datetime
    updated: datetime


@dataclass(slots=True)
class Thread:
    """An issue, or a pull request where `branch` is given."""

    number: int
    title: str
    body: str
    created: datetime
    labels: list[str] = field(default_factory=list)
    branch: str = ""
    sha: str = ""
    base: str = "main"
    state: str = "open"
    comments: list[Comment] = field(default_factory=list)


@dataclass(slots=True)
class State:
    """Everything."""

    runs: dict[int, Run] = field(default_factory=dict)
    threads: dict[int, Thread] = field(default_factory=dict)
    _last: int = 7000

    def new_id(self) -> int:
        """A number that nothing else has."""
        self._last += 1
        return self._last

    def copy(self) -> State:
        """Another one that holds the same."""
        return copy.deepcopy(self)

    def add_run(
        self,
        now: datetime,
        jobs: list[JobScript],
        *,
        workflow: str = DEPLOY,
        branch: str = "main",
        sha: str = "0" * 40,
        event: str = "push",
        title: str = "Release",
        pull_request: int | None = None,
        id: int | None = None,  # noqa: A002 - GitHub's name for it
    ) -> Run:
        """A new run that begins now."""
        number = id or self.new_id()
        for job in jobs:
            job.id = self.new_id()
        attempt = Attempt(1, now, jobs)
        run = Run(number, number, workflow, branch, sha, event, title, now, [attempt], pull_request)
        self.runs[run.id] = run
        return run

    def run_again(self, run: Run, now: datetime, *, only_failed: bool) -> Attempt:
        """A new attempt that passes: what was in the way is gone."""
        before = live(run.latest, now)
        again = [job for job, span, _ in before.jobs if not only_failed or span.conclusion != "success"]
        jobs = [
            JobScript(job.name, [StepScript(step.name) for step in job.steps], "passed\n", self.new_id())
            for job in again
        ]
        run.attempts.append(Attempt(run.latest.number + 1, now, jobs, queued_seconds=run.queued_again))
        return run.latest


def pipeline(seconds: float = 0.2) -> list[JobScript]:
    """The jobs of a good run of the deploying workflow."""
    return [
        JobScript("build", [StepScript("Check out", seconds), StepScript("Package", seconds)], "built\n"),
        JobScript("deploy-preprod", [StepScript("Terraform apply", seconds)], "applied\n"),
        JobScript("test-preprod", [StepScript("pytest", seconds)], "12 passed\n"),
    ]


def seeded(now: datetime) -> State:
    """A repository with a little history: two good runs of the deploying workflow."""
    state = State()
    for hours, sha in ((48, "1" * 40), (24, "2" * 40)):
        state.add_run(now - timedelta(hours=hours), pipeline(), sha=sha).latest.told = {"completed"}
    return state
