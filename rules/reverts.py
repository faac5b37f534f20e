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


def standing_revert(commit: str, messages: Mapping[str, str]) -> str:
    """The revert of a commit that is itself not reverted; empty: the commit is in force.

    `messages` maps the commits made since to what they say.
    """
    for candidate, message in messages.items():
        if says_revert_of(commit) in message and not standing_revert(candidate, messages):
            return candidate
    return ""
