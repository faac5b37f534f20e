"""Comments and issues: said once, found again by a hidden line, without secrets."""

from __future__ import annotations

import pytest

from blocks.environment import Environment
from ledger.cases import Case
from rules.errors import StepFailed
from sandbox.github_stand_in import StandIn
from tasks.github_messages import comment_on_pull_request, open_issue

PLANTED = "AKIA" + "QWERTYUIOPASDFGH"


@pytest.fixture
def pull_request(github: StandIn) -> int:
    """A pull request with 130 comments of others."""
    github.plant_pull_request(
        17, "Score faster", "score", "b" * 40, said=[f"comment {n}" for n in range(130)]
    )
    return 17


def test_a_comment_is_written_anew_rather_than_repeated(
    github: StandIn, preprod_on_github: Environment, acting: Case, pull_request: int
) -> None:
    """One comment of ours among those of others, also past the first page of them, with the newest text."""
    assert comment_on_pull_request(preprod_on_github, pull_request, "test-failure", "one").changed
    assert not comment_on_pull_request(preprod_on_github, pull_request, "test-failure", "one").changed
    assert comment_on_pull_request(preprod_on_github, pull_request, "test-failure", f"two {PLANTED}").changed

    ours = [text for text in github.comments(pull_request) if "backstop" in text]
    assert len(github.comments(pull_request)) == 131
    assert ours == ["<!-- backstop: test-failure -->\ntwo [redacted:aws-key-id]"]


def test_a_quoted_marker_is_not_ours(github: StandIn, preprod_on_github: Environment, acting: Case) -> None:
    """Somebody who answers with our text quoted keeps their comment."""
    theirs = "I think\n<!-- backstop: test-failure -->\nis wrong"
    github.plant_pull_request(18, "x", "x", "b" * 40, said=[theirs])

    comment_on_pull_request(preprod_on_github, 18, "test-failure", "one")

    assert github.comments(18) == [theirs, "<!-- backstop: test-failure -->\none"]


def test_a_lost_reply_makes_no_second_comment(
    github: StandIn, preprod_on_github: Environment, acting: Case, pull_request: int
) -> None:
    """GitHub took it and answered 502: the next try finds it."""
    github.trouble({"kind": "lost-reply", "path": "/comments", "method": "POST"})

    comment_on_pull_request(preprod_on_github, pull_request, "test-failure", "one")

    assert len(github.comments(pull_request)) == 131


def test_an_issue_is_opened_once(github: StandIn, preprod_on_github: Environment, acting: Case) -> None:
    """The same marker finds it again, another one opens another; what a title may not hold is redacted."""
    first = open_issue(preprod_on_github, f"Rotate {PLANTED}", "incident-1", "please")
    again = open_issue(preprod_on_github, f"Rotate {PLANTED}", "incident-1", "please")
    other = open_issue(preprod_on_github, "Other", "incident-2", "please")

    assert (first.changed, again.changed, other.changed) == (True, False, True)
    assert again.after == first.after
    titles = sorted(thread["title"] for thread in github.seen()["threads"].values())
    assert titles == ["Other", "Rotate [redacted:aws-key-id]"]


def test_a_marker_cannot_end_its_comment(preprod_on_github: Environment, acting: Case) -> None:
    """It would show, or hide what follows."""
    with pytest.raises(StepFailed, match="marker"):
        open_issue(preprod_on_github, "x", "a --> b", "y")
