"""Pull requests on GitHub: opened once for a branch, and found again by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks.environment import Environment
from blocks.github_errors import translated
from blocks.github_repository import GithubRepository
from rules.errors import StepFailed, TransientFailure
from rules.names import BranchName
from rules.outcomes import Effect
from rules.redaction import redact
from tasks.kinds import action, probe
from tasks.workflow_runs import repository_of

if TYPE_CHECKING:
    from githubkit import GitHub, TokenAuthStrategy

_LONGEST = 60_000
"""Characters. GitHub takes 65,536."""
_LONGEST_TITLE = 250


@action(subject="pull request of {branch}")
def open_pull_request(
    environment: Environment, branch: BranchName, base: BranchName, title: str, body: str
) -> Effect:
    """Open a pull request, once: one that is open for this branch is left as it is. Repeating it changes nothing.

    One that somebody closed without merging it stays closed: that was a decision.

    GitHub permissions: pull requests: write
    Permissions: none of AWS

    Raises:
        StepFailed: somebody closed it, or GitHub refuses it, for instance because it has no such branch.
    """
    repository, subject = repository_of(environment), f"pull request of {branch}"
    doing = f"open the {subject} into {base} in {repository.full_name}"
    with translated(doing), repository.client(environment.account) as github:
        found = _newest(github, repository, branch, base)
        if found and found.state == "open":
            return Effect(subject=subject, changed=False, after=found.html_url, detail="it is open already")
        if found and not found.merged_at:
            raise StepFailed(
                f"Somebody closed the {subject} without merging it: {found.html_url}",
                hint="Ask why, and open it again there if the revert is still wanted.",
            )
        try:
            with translated(doing):
                made = github.rest.pulls.create(
                    repository.owner,
                    repository.name,
                    title=" ".join(redact(title).split())[:_LONGEST_TITLE],
                    head=branch,
                    base=base,
                    body=redact(body)[:_LONGEST],
                ).parsed_data
        except TransientFailure:
            raise
        except StepFailed:
            found = _newest(github, repository, branch, base)
            if found and found.state == "open":  # somebody was faster
                return Effect(
                    subject=subject, changed=False, after=found.html_url, detail="it is open already"
                )
            raise
    return Effect(subject=subject, changed=True, before="none", after=made.html_url)


@probe(retries=1)
def pull_request_of(environment: Environment, branch: BranchName, base: BranchName) -> str:
    """The address of the open pull request of a branch; empty: there is none.

    GitHub permissions: pull requests: read
    """
    repository = repository_of(environment)
    with (
        translated(f"look for the pull request of {branch} in {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        found = _newest(github, repository, branch, base)
    return str(found.html_url) if found and found.state == "open" else ""


def _newest(github: GitHub[TokenAuthStrategy], repository: GithubRepository, branch: str, base: str) -> Any:
    """The open one if there is one, else the newest; None: there never was one."""
    found: Any = github.rest.pulls.list(
        repository.owner,
        repository.name,
        state="all",
        head=f"{repository.owner}:{branch}",
        base=base,
        per_page=100,
    ).parsed_data
    return next((request for request in found if request.state == "open"), found[0] if found else None)
