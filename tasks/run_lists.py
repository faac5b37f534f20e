"""Lists of workflow runs, complete also beyond the thousand that GitHub gives to one question."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from blocks.environment import Environment
from blocks.github_errors import translated
from rules.workflow_runs import RunStatus, WorkflowRun
from tasks._github_answers import run_of
from tasks.kinds import in_parallel, probe
from tasks.workflow_runs import repository_of

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 100
_MOST_PER_QUESTION = 1000
"""GitHub gives no page beyond it."""


@probe
def list_runs(
    environment: Environment,
    workflow: str = "",
    branch: str = "",
    status: RunStatus | None = None,
    sha: str = "",
    since: datetime | None = None,
    most: int = 5000,
) -> list[WorkflowRun]:
    """The runs of a workflow's file (empty: the one that deploys), newest first, at most `most`.

    One question is answered with a thousand runs at most; the next one asks for those before the oldest of them.

    GitHub permissions: actions: read
    """
    repository = repository_of(environment)
    workflow = workflow or repository.deploy_workflow
    given = {"branch": branch, "status": status.value if status else "", "head_sha": sha}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
    found: dict[int, WorkflowRun] = {}
    begin = f"{since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    with (
        translated(f"list the runs of {workflow} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):

        def page(number: int, created: str) -> list[WorkflowRun]:
            asked = {**wanted, "created": created} if created else wanted
            answer = github.rest.actions.list_workflow_runs(
                repository.owner, repository.name, workflow, per_page=_AT_ONCE, page=number, **asked
            ).parsed_data
            return [run_of(told) for told in answer.workflow_runs]

        end = ""
        while len(found) < most:
            created = f"{begin or '*'}..{end}" if end else f">={begin}" if begin else ""
            more = _answers(page, created, most - len(found), found)
            if more < _MOST_PER_QUESTION:
                break
            oldest = min(run.created_at for run in found.values())
            if end == (end := f"{oldest:%Y-%m-%dT%H:%M:%SZ}"):
                break  # a thousand runs of one second: there is no finer question
    return sorted(found.values(), key=lambda run: (run.created_at, run.id), reverse=True)[:most]


def _answers(
    page: Callable[[int, str], list[WorkflowRun]], created: str, most: int, found: dict[int, WorkflowRun]
) -> int:
    """Add what one question is answered with; how many answers there were, known ones included."""
    seen = fresh = 0
    for number in range(1, 1 + _MOST_PER_QUESTION // _AT_ONCE):
        runs = page(number, created)
        fresh += sum(run.id not in found for run in runs)
        found.update((run.id, run) for run in runs)
        seen += len(runs)
        if len(runs) < _AT_ONCE or fresh >= most:
            break
    return seen


def runs_under_way(environment: Environment, workflow: str = "") -> list[WorkflowRun]:
    """Every run of a workflow (empty: the one that deploys) that has not ended, newest first."""
    statuses = [status for status in RunStatus if status is not RunStatus.COMPLETED]
    found = in_parallel([partial(list_runs, environment, workflow, status=status) for status in statuses])
    # A run that goes from one status to the next meanwhile may be in two lists.
    runs = {run.id: run for listed in found for run in listed}
    return sorted(runs.values(), key=lambda run: (run.created_at, run.id), reverse=True)
