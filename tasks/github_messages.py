"""What Backstop says on GitHub: one comment on a pull request, one issue, each found again by a hidden line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from blocks.environment import Environment
from blocks.github_errors import translated
from blocks.github_repository import GithubRepository
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.redaction import redact
from tasks.kinds import action, probe
from tasks.workflow_runs import repository_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from githubkit import GitHub, TokenAuthStrategy

LABEL = "backstop"
"""Of every issue we open: they are found without reading all others."""
_LONGEST = 60_000
"""Characters. GitHub takes 65,536."""
_AT_ONCE, _MOST_PAGES = 100, 30
_MARKER = re.compile(r"[a-z0-9][a-z0-9 ._:-]{0,118}")


@action(subject="pull request #{number}")
def comment_on_pull_request(environment: Environment, number: int, marker: str, body: str) -> Effect:
    """Say something on a pull request, once: a comment with this marker is written anew. Repeating it changes nothing.

    GitHub permissions: pull requests: write
    Permissions: none of AWS
    """
    repository, text = repository_of(environment), _marked(marker, body)
    subject = f"pull request #{number}"
    with (
        translated(f"comment on the {subject} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        issues, owner, name = github.rest.issues, repository.owner, repository.name
        for comment in _comments(github, repository, number):
            said = _plain(comment.body or "")
            if not _has(said, marker):
                continue
            if said == text:
                return Effect(
                    subject=subject, changed=False, after=comment.html_url, detail="it is said there"
                )
            issues.update_comment(owner, name, comment.id, body=text)
            return Effect(subject=subject, changed=True, before="an older comment", after=comment.html_url)
        made = issues.create_comment(owner, name, number, body=text).parsed_data
    return Effect(subject=subject, changed=True, before="no comment", after=made.html_url)


@probe
def said_on_pull_request(environment: Environment, number: int, marker: str) -> str:
    """What our comment with this marker says, without the hidden line; empty where there is none.

    GitHub permissions: pull requests: read
    """
    repository = repository_of(environment)
    with (
        translated(f"read the comments on the pull request #{number} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        for comment in _comments(github, repository, number):
            said = _plain(comment.body or "")
            if _has(said, marker):
                return said.partition("\n")[2]
    return ""


@action(subject="issue «{title}»")
def open_issue(environment: Environment, title: str, marker: str, body: str) -> Effect:
    """Open an issue, once: one with this marker, open or closed, is left as it is. Repeating it changes nothing.

    GitHub permissions: issues: write
    Permissions: none of AWS
    """
    repository, text = repository_of(environment), _marked(marker, body)
    with (
        translated(f"open an issue in {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        for issue in _issues(github, repository):
            if _has(_plain(issue.body or ""), marker):
                return _there(issue)
        return _opened(github, repository, title, text)


def put_finding(environment: Environment, title: str, matter: str, event: str, body: str) -> Effect:
    """Open an issue on a matter, or say on the one that is open that it happened again: once for each event.

    An issue that was closed is done with: the next event opens another. It is called outside incidents: what it found
    is told by whoever found it.

    Raises:
        TransientFailure: GitHub does not answer; called again it finds what was said, and says nothing twice.
        StepFailed: it refuses.
    """
    repository, marker = repository_of(environment), f"{matter} {event}"
    text, same = _marked(marker, body), None
    with (
        translated(f"open an issue in {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        for issue in _issues(github, repository):
            said = _plain(issue.body or "")
            if _has(said, marker):
                return _there(issue)
            if issue.state == "open" and said.startswith(f"<!-- backstop: {matter} "):
                same = issue
        if same is None:
            return _opened(github, repository, title, text)
        if any(_has(_plain(each.body or ""), marker) for each in _comments(github, repository, same.number)):
            return _there(same)
        made = github.rest.issues.create_comment(
            repository.owner, repository.name, same.number, body=text
        ).parsed_data
    return Effect(subject=f"issue #{same.number}", changed=True, before="an open issue", after=made.html_url)


def _there(issue: Any) -> Effect:
    return Effect(subject=f"issue #{issue.number}", changed=False, after=issue.html_url, detail="it is there")


def _opened(github: GitHub[TokenAuthStrategy], repository: GithubRepository, title: str, text: str) -> Effect:
    told = " ".join(redact(title).split())[:250]
    made = github.rest.issues.create(
        repository.owner, repository.name, title=told, body=text, labels=[LABEL]
    ).parsed_data
    return Effect(subject=f"issue #{made.number}", changed=True, before="none", after=made.html_url)


def _marked(marker: str, body: str) -> str:
    """The text as it is sent: the hidden line first, no secret, not longer than GitHub takes."""
    if not _MARKER.fullmatch(marker) or "--" in marker:
        raise StepFailed(f"{marker[:90]!r} cannot be a marker.", hint="Lower case letters, digits, . _ : -")
    said = _plain(redact(body)).strip()
    if len(said) > _LONGEST:
        said = f"{said[:_LONGEST]}\n\n… (cut)"
    return f"{_line(marker)}\n{said}"


def _line(marker: str) -> str:
    return f"<!-- backstop: {marker} -->"


def _has(text: str, marker: str) -> bool:
    """Whether its first line is the marker: somebody who quotes it does not count."""
    return text.partition("\n")[0].strip() == _line(marker)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _comments(github: GitHub[TokenAuthStrategy], repository: GithubRepository, number: int) -> Iterator[Any]:
    for page in range(1, 1 + _MOST_PAGES):
        found: Any = github.rest.issues.list_comments(
            repository.owner, repository.name, number, per_page=_AT_ONCE, page=page
        ).parsed_data
        yield from found
        if len(found) < _AT_ONCE:
            return


def _issues(github: GitHub[TokenAuthStrategy], repository: GithubRepository) -> Iterator[Any]:
    for page in range(1, 1 + _MOST_PAGES):
        found: Any = github.rest.issues.list_for_repo(
            repository.owner, repository.name, state="all", labels=LABEL, per_page=_AT_ONCE, page=page
        ).parsed_data
        yield from found
        if len(found) < _AT_ONCE:
            return
