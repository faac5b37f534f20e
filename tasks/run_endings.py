"""Ending workflow runs: first as an order that they may clean up after, then by force."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.github_errors import Conflict, translated
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.workflow_runs import RunLook
from tasks.kinds import action
from tasks.run_watching import watch_run
from tasks.workflow_runs import repository_of, workflow_run

FORCED_SECONDS = 120.0
"""How long force may take."""


@action(subject="run {run_id}")
def end_run(environment: Environment, run_id: int, attempt: int, force_after_seconds: float) -> Effect:
    """End one attempt of a run; by force, past its `always()` steps, if it does not obey. Repeating it changes nothing.

    A later attempt is never touched: whoever began it wants it.

    GitHub permissions: actions: write
    Permissions: none of AWS

    Raises:
        StepFailed: it does not end, not even by force.
    """

    def over(look: RunLook) -> bool:
        return look.run.ended or look.run.attempt > attempt

    subject, before = f"run {run_id}", workflow_run.fn(environment, run_id)
    if over(before):
        return Effect(subject=subject, changed=False, after=_told(before), detail="that attempt had ended")
    _order(environment, run_id, force=False)
    look, how = watch_run(environment, run_id, over, force_after_seconds), "it obeyed"
    if not over(look):
        _order(environment, run_id, force=True)
        look, how = watch_run(environment, run_id, over, FORCED_SECONDS), "by force"
    if not over(look):
        raise StepFailed(
            f"The run {run_id} does not end, not even by force.", hint="Only GitHub's support can end it."
        )
    return Effect(subject=subject, changed=True, before=_told(before), after=_told(look), detail=how)


def _order(environment: Environment, run_id: int, *, force: bool) -> None:
    repository = repository_of(environment)
    try:
        with (
            translated(f"cancel the run {run_id} of {repository.full_name}"),
            repository.client(environment.account) as github,
        ):
            actions = github.rest.actions
            cancel = actions.force_cancel_workflow_run if force else actions.cancel_workflow_run
            cancel(repository.owner, repository.name, run_id)
    except Conflict:
        return  # it has ended, or is ending: watching it tells


def _told(look: RunLook) -> str:
    return f"attempt {look.run.attempt} {look.run.conclusion or look.run.status.value}"
