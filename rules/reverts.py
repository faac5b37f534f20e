"""Reverting a commit: how the revert is named, and how one that stands already is recognised.

Runbook source: 001 scenario 2, option 1 «Revert the Commit».
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rules.names import commit_id


class RevertBy(StrEnum):
    """How a revert reaches the default branch."""

    PULL_REQUEST = "pull request"
    PUSH = "push"


def branch_of(commit: str) -> str:
    """The branch that holds the revert of a commit: the same for whoever reverts it."""
    return f"backstop/revert-{commit_id(commit)[:12]}"


def says_revert_of(commit: str) -> str:
    """The sentence by which Git itself says what a commit reverts."""
    return f"This reverts commit {commit_id(commit)}"


def message_of(commit: str, subject: str, incident: str) -> str:
    """The revert's message, in Git's own form, with the incident it was made for."""
    why = f"\n\nMade by Backstop for {incident}." if incident else ""
    return f'Revert "{" ".join(subject.split())}"\n\n{says_revert_of(commit)}.{why}\n'


def title_of(commit: str, subject: str) -> str:
    """The title of the pull request that asks for a revert."""
    return f'Revert "{" ".join(subject.split())[:180]}" ({commit_id(commit)[:12]})'


def request_for(commit: str, subject: str, fault: str, incident: str) -> str:
    """The body of that pull request: the commit, what Terraform said about it, and the incident.

    What others wrote stands in blocks of code: there it mentions nobody and links nothing.
    """
    told = [
        f"Terraform refuses commit {commit_id(commit)}:",
        _block(subject),
        "It said:",
        _block(fault),
        "Without it Terraform accepts the code. Until this is merged, every deployment fails.",
    ]
    return "\n\n".join([*told, *([f"Made by Backstop for {incident}."] if incident else [])])


def _block(text: str) -> str:
    inner = " ".join(text.replace("`", "'").split())
    return f"```text\n{inner}\n```"


def by_hand(repository: str, branch: str, base: str) -> str:
    """How a person opens that pull request."""
    told = f"Open the pull request of {branch} into {base}"
    if not repository:
        return f"{told}, and merge it."
    return f"{told}, and merge it: gh pr create --repo {repository} --base {base} --head {branch}"


def standing_revert(commit: str, messages: Mapping[str, str]) -> str:
    """The revert of a commit that is itself not reverted; empty: the commit is in force.

    `messages` maps the commits made since to what they say.
    """
    for candidate, message in messages.items():
        if says_revert_of(commit) in message and not standing_revert(candidate, messages):
            return candidate
    return ""
