"""What GitHub's webhook tells about workflows: a failed run or job is an alarm, everything else is only recorded.

A run's event does not say which of its jobs failed. Where a workflow deploys in one job and tests in another, the
job's own event (`workflow_job`) has to be routed; it in turn names neither the event behind the run nor its pull
requests.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

from rules.alarms import LINE, Alarm, AlarmStatus, printable, read

FAILING = frozenset({"failure", "timed_out", "startup_failure"})
"""Conclusions that are alarms. Cancelled, skipped and the like are neither good nor bad."""
RUN_LABELS = frozenset({"file", "event", "fork", "pull_requests", "actor"})
JOB_LABELS = frozenset({"job", "deployment"})
LABELS = (
    RUN_LABELS | JOB_LABELS | {"repository", "workflow", "branch", "sha", "run_id", "attempt", "conclusion"}
)
"""Every label that an alarm from GitHub can have; empty ones are left out."""

Name = Annotated[str, AfterValidator(lambda text: printable(text)[:LINE])]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Repository(_Told):
    full_name: Name


class _Account(_Told):
    login: Name


class _PullRequest(_Told):
    number: int


class _Work(_Told):
    id: int
    conclusion: Name | None
    head_branch: Name | None
    head_sha: Name
    run_attempt: int
    html_url: Name


class _Run(_Work):
    name: Name | None
    path: Name
    event: Name
    updated_at: AwareDatetime
    actor: _Account | None
    head_repository: _Repository | None
    pull_requests: tuple[_PullRequest | None, ...]


class _Job(_Work):
    name: Name
    workflow_name: Name | None
    run_id: int
    completed_at: AwareDatetime


class _Deployment(_Told):
    environment: Name


class GitHubDelivery(_Told):
    """What every event has: what happened, and where (a webhook of an organization names no repository)."""

    action: Name = ""
    repository: _Repository | None = None


class WorkflowRunDelivery(_Told):
    """The event `workflow_run`, of a run that is over."""

    repository: _Repository
    workflow_run: _Run


class WorkflowJobDelivery(_Told):
    """The event `workflow_job`, of a job that is over; `deployment` is there if it has an environment."""

    repository: _Repository
    workflow_job: _Job
    deployment: _Deployment | None = None


def from_github(text: str | bytes, *, event: str, delivery: str, source: str, now: datetime) -> Alarm:
    """Read one delivery. `event` and `delivery` are its headers, which the signature does not cover.

    So a run or a job names the alarm itself: what was signed once is the same alarm under whatever header.

    Raises:
        RecoveryRefused: it is not what that event looks like.
    """
    told = read(GitHubDelivery, text)
    if (event, told.action) == ("workflow_run", "completed"):
        return _of_run(read(WorkflowRunDelivery, text), source)
    if (event, told.action) == ("workflow_job", "completed"):
        return _of_job(read(WorkflowJobDelivery, text), source)
    return Alarm(
        source=source,
        external_id=f"{event}:{delivery}"[:200],
        name=printable(f"{event} {told.action}".strip())[:LINE],
        status=AlarmStatus.UNKNOWN,
        occurred_at=now,
        labels={"repository": told.repository.full_name} if told.repository else {},
    )


def _of_run(told: WorkflowRunDelivery, source: str) -> Alarm:
    run = told.workflow_run
    file = run.path.partition("@")[0].rpartition("/")[2]
    workflow = run.name or file
    own = run.head_repository and run.head_repository.full_name == told.repository.full_name
    labels = {
        "workflow": workflow,
        "file": file,
        "event": run.event,
        "run_id": str(run.id),
        "fork": "no" if own else "yes",
        "pull_requests": ",".join(str(one.number) for one in run.pull_requests if one)[:LINE],
        "actor": run.actor.login if run.actor else "",
    }
    return _alarm(source, "run", workflow, told.repository, run, run.updated_at, labels)


def _of_job(told: WorkflowJobDelivery, source: str) -> Alarm:
    job = told.workflow_job
    labels = {
        "workflow": job.workflow_name or "",
        "job": job.name,
        "run_id": str(job.run_id),
        "deployment": told.deployment.environment if told.deployment else "",
    }
    name = f"{job.workflow_name or 'a workflow'} / {job.name}"[:LINE]
    return _alarm(source, "job", name, told.repository, job, job.completed_at, labels)


def _alarm(
    source: str,
    kind: str,
    name: str,
    repository: _Repository,
    work: _Work,
    at: datetime,
    labels: dict[str, str],
) -> Alarm:
    conclusion = work.conclusion or "none"
    told = labels | {
        "repository": repository.full_name,
        "branch": work.head_branch or "",
        "sha": work.head_sha,
        "attempt": str(work.run_attempt),
        "conclusion": conclusion,
    }
    good = AlarmStatus.OK if conclusion == "success" else AlarmStatus.UNKNOWN
    return Alarm(
        source=source,
        external_id=f"workflow_{kind}:{work.id}:{work.run_attempt}:{conclusion}"[:200],
        name=name,
        status=AlarmStatus.ALARM if conclusion in FAILING else good,
        occurred_at=at.astimezone(UTC),
        summary=f"{conclusion} on {work.head_branch or 'no branch'}: {work.html_url}",
        labels={key: value for key, value in told.items() if value},
    )
