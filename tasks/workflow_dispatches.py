"""Starting a workflow by hand, on a branch or a tag."""

from __future__ import annotations

from datetime import datetime, timedelta

from blocks.environment import Environment
from blocks.github_errors import translated
from rules.errors import TransientFailure
from rules.outcomes import Effect
from rules.workflow_runs import WorkflowRun
from tasks.kinds import action, pause
from tasks.run_lists import list_runs
from tasks.workflow_runs import repository_of

EVENT = "workflow_dispatch"
_CLOCKS_DIFFER = timedelta(seconds=30)
_POLLS, _POLL_SECONDS = 20, 1.0


@action(subject="{workflow} on {ref}")
def dispatch_workflow(
    environment: Environment, workflow: str, ref: str, inputs: dict[str, str], since: datetime
) -> Effect:
    """Start a workflow on a branch or tag, unless it was started there since `since`. Repeating it changes nothing.

    GitHub knows no idempotency key: a run that anybody started by hand on `ref` from `since` on (the pinned plan's
    time, UTC) is the wanted one. `Effect.after` is the run's id.

    GitHub permissions: actions: write
    Permissions: none of AWS
    """
    repository = repository_of(environment)
    subject = f"{workflow} on {ref}"
    there = _started(environment, workflow, ref, since)
    if there:
        return Effect(subject=subject, changed=False, after=str(there.id), detail="it was started already")
    with (
        translated(f"start {subject} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        answer = github.rest.actions.create_workflow_dispatch(
            repository.owner,
            repository.name,
            workflow,
            data={"ref": ref, "inputs": dict(inputs)},
        )
        if answer.status_code == 200:
            return Effect(subject=subject, changed=True, after=str(answer.parsed_data.workflow_run_id))
    for _ in range(_POLLS):  # before API version 2026-03-10 it answers 204 and names no run
        if made := _started(environment, workflow, ref, since):
            return Effect(subject=subject, changed=True, after=str(made.id))
        pause(_POLL_SECONDS)
    raise TransientFailure(f"GitHub took the order to start {subject}, and no run of it is to be seen.")


def _started(environment: Environment, workflow: str, ref: str, since: datetime) -> WorkflowRun | None:
    runs = list_runs.fn(environment, workflow, branch=ref, since=since - _CLOCKS_DIFFER, most=200)
    by_hand = [run for run in runs if run.event == EVENT]
    return min(by_hand, key=lambda run: run.created_at, default=None)
