"""How reverts are named and recognised."""

from __future__ import annotations

import pytest

from rules.errors import RecoveryRefused
from rules.reverts import branch_of, by_hand, message_of, request_for, standing_revert, title_of

BAD, FIRST, SECOND, OTHER = (letter * 40 for letter in "abcd")


def reverts(commit: str) -> str:
    """What Git writes."""
    return message_of(commit, "x", "")


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ({}, ""),
        ({OTHER: "unrelated"}, ""),
        ({OTHER: reverts(FIRST)}, ""),
        ({FIRST: reverts(BAD)}, FIRST),
        ({SECOND: reverts(FIRST), FIRST: reverts(BAD)}, ""),
        ({OTHER: reverts(SECOND), SECOND: reverts(FIRST), FIRST: reverts(BAD)}, FIRST),
        ({OTHER: reverts(BAD), SECOND: reverts(FIRST), FIRST: reverts(BAD)}, OTHER),
    ],
)
def test_a_revert_stands_until_it_is_reverted(messages: dict[str, str], found: str) -> None:
    """Reverts of reverts bring a commit back, and take it away again."""
    assert standing_revert(BAD, messages) == found


def test_the_message_is_gits_own_with_the_incident() -> None:
    """One line of subject, whatever the commit's subject was; who reads it knows why."""
    told = message_of(BAD, "two\nlines", "inc-1")

    assert told.splitlines()[0] == 'Revert "two lines"'
    assert f"This reverts commit {BAD}." in told
    assert "inc-1" in told


def test_a_branch_is_named_by_a_whole_commit_id() -> None:
    """Nothing else becomes part of a branch's name."""
    assert branch_of(BAD) == "backstop/revert-aaaaaaaaaaaa"
    with pytest.raises(RecoveryRefused):
        branch_of("main")


def test_a_pull_request_tells_what_who_and_why() -> None:
    """The commit, Terraform's words and the incident; what others wrote can neither mention nor end its block."""
    body = request_for(BAD, "Ping @team ```", "Unsupported argument", "x-1")

    assert title_of(BAD, "Ping  me") == 'Revert "Ping me" (aaaaaaaaaaaa)'
    assert BAD in body
    assert "```text\nPing @team '''\n```" in body
    assert "```text\nUnsupported argument\n```" in body
    assert "x-1" in body


def test_what_a_person_does_is_a_command_where_github_is_known() -> None:
    """Without GitHub it is said in words."""
    assert by_hand("acme/x", "b", "main").endswith("gh pr create --repo acme/x --base main --head b")
    assert "gh " not in by_hand("", "b", "main")
