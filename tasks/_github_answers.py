"""GitHub's answers as our own values: only what rules and people need of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rules.workflow_runs import RunStatus, WorkflowJob, WorkflowRun, WorkflowStep

JOBS_AT_ONCE = 100
"""The most GitHub gives on a page."""


def run_of(told: Any) -> WorkflowRun:
    """A run, from the client's model of it."""
    return WorkflowRun(
        id=told.id,
        attempt=told.run_attempt or 1,
        workflow=told.path.partition("@")[0].rpartition("/")[2],
        title=told.display_title,
        branch=told.head_branch or "",
        sha=told.head_sha,
        event=told.event,
        status=_status(told.status),
        conclusion=told.conclusion or "",
        created_at=_utc(told.created_at),
        started_at=_utc(told.run_started_at or told.created_at),
        url=told.html_url,
        pull_requests=tuple(request.number for request in told.pull_requests or ()),
    )


def job_of(told: Any) -> WorkflowJob:
    """A job, from the client's model of it."""
    queued = told.status in {"queued", "waiting", "pending", "requested"}
    return WorkflowJob(
        id=told.id,
        name=told.name,
        status=_status(told.status),
        conclusion=told.conclusion or "",
        # GitHub fills in a start for jobs that have not begun.
        started_at=None if queued else _moment(told.started_at),
        completed_at=_moment(told.completed_at),
        steps=tuple(
            WorkflowStep(
                name=step.name,
                status=_status(step.status),
                conclusion=step.conclusion or "",
                started_at=_moment(step.started_at),
                completed_at=_moment(step.completed_at),
            )
            for step in told.steps or ()
        ),
    )


def _status(told: str | None) -> RunStatus:
    """GitHub's word; one we do not know is taken for work under way."""
    try:
        return RunStatus(told or "queued")
    except ValueError:
        return RunStatus.IN_PROGRESS


def _moment(told: Any) -> datetime | None:
    return _utc(told) if isinstance(told, datetime) else None


def _utc(told: datetime) -> datetime:
    return told.astimezone(UTC)
