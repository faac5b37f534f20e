"""Runs of GitHub workflows: looking at them, running them again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blocks.environment import Environment
from blocks.github_errors import translated
from blocks.github_repository import GithubRepository
from rules.errors import RecoveryRefused, StepFailed, TransientFailure
from rules.outcomes import Effect
from rules.workflow_runs import RunLook, WorkflowRun
from tasks._github_answers import JOBS_AT_ONCE, job_of, run_of
from tasks.kinds import action, pause, probe

if TYPE_CHECKING:
    from githubkit import GitHub, TokenAuthStrategy

_POLLS = 10
_POLL_SECONDS = 1.0


def repository_of(environment: Environment) -> GithubRepository:
    """The environment's repository.

    Raises:
        RecoveryRefused: its file names none.
    """
    if environment.github is None:
        raise RecoveryRefused(
            f"The environment {environment.name} names no GitHub repository.",
            hint="Add `github:` with owner, name and token to its file.",
        )
    return environment.github


@probe
def workflow_run(environment: Environment, run_id: int) -> RunLook:
    """A run with the jobs of its latest attempt.

    GitHub permissions: actions: read
    """
    repository = repository_of(environment)
    with (
        translated(f"read the run {run_id} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        return _look(github, repository, run_id)


def _look(github: GitHub[TokenAuthStrategy], repository: GithubRepository, run_id: int) -> RunLook:
    actions = github.rest.actions
    run = _run(github, repository, run_id)
    jobs = []
    for page in range(1, 1 + 1000 // JOBS_AT_ONCE):
        answer = actions.list_jobs_for_workflow_run_attempt(
            repository.owner, repository.name, run_id, run.attempt, per_page=JOBS_AT_ONCE, page=page
        ).parsed_data
        jobs += [job_of(job) for job in answer.jobs]
        if len(answer.jobs) < JOBS_AT_ONCE:
            break
    return RunLook(run=run, jobs=tuple(jobs), at=datetime.now(UTC))


def _run(github: GitHub[TokenAuthStrategy], repository: GithubRepository, run_id: int) -> WorkflowRun:
    return run_of(github.rest.actions.get_workflow_run(repository.owner, repository.name, run_id).parsed_data)


@probe
def attempt_conclusion(environment: Environment, run_id: int, attempt: int) -> str:
    """How one attempt of a run ended; empty while it has not.

    GitHub permissions: actions: read
    """
    repository = repository_of(environment)
    with (
        translated(f"read attempt {attempt} of the run {run_id} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        answer = github.rest.actions.get_workflow_run_attempt(
            repository.owner, repository.name, run_id, attempt
        ).parsed_data
    return (answer.conclusion or "") if answer.status == "completed" else ""


@action(subject="run {run_id}")
def rerun(environment: Environment, run_id: int, attempt: int, only_failed: bool = False) -> Effect:
    """Run all jobs, or the failed ones, once more after `attempt`. Repeating it changes nothing.

    A later attempt, whoever began it, is what was wanted.

    GitHub permissions: actions: write
    Permissions: none of AWS

    Raises:
        StepFailed: that attempt has not ended, or GitHub keeps it from running again.
        TransientFailure: the new attempt was asked for and is not to be seen yet.
    """
    repository, doing = repository_of(environment), f"run {run_id} again"
    with translated(doing), repository.client(environment.account) as github:
        now = _run(github, repository, run_id)
        if now.attempt > attempt:
            return _begun(now, attempt, changed=False)
        if not now.ended:
            raise StepFailed(
                f"The run {run_id} cannot run again: attempt {attempt} is still {now.status.value}.",
                hint="Cancel it first.",
            )
        actions = github.rest.actions
        again = actions.re_run_workflow_failed_jobs if only_failed else actions.re_run_workflow
        try:
            with translated(doing):
                again(repository.owner, repository.name, run_id)
        except StepFailed as error:
            now = _run(github, repository, run_id)
            if isinstance(error, TransientFailure) or now.attempt == attempt:
                raise
        for _ in range(_POLLS):
            now = _run(github, repository, run_id)
            if now.attempt > attempt:
                return _begun(now, attempt, changed=True)
            pause(_POLL_SECONDS)
    raise TransientFailure(f"GitHub took the order to {doing}, and no new attempt is to be seen.")


def _begun(run: WorkflowRun, attempt: int, *, changed: bool) -> Effect:
    return Effect(
        subject=f"run {run.id}",
        changed=changed,
        before=f"attempt {attempt}",
        after=f"attempt {run.attempt}",
        detail="" if changed else "a later attempt had begun already",
    )
