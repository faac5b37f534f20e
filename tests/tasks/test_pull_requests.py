"""Pull requests: opened once for a branch that is there, and left alone where somebody decided."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.environment import Environment
from ledger.cases import Case
from rules.errors import StepFailed
from sandbox.github_stand_in import StandIn
from sandbox.places import Home
from sandbox.releases import git
from tasks.pull_requests import open_pull_request, pull_request_of

BRANCH = "backstop/revert-0123456789ab"
PLANTED = "AKIA" + "QWERTYUIOPASDFGH"


@pytest.fixture(scope="module", autouse=True)
def repository(github_home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The Git server: a default branch, and one commit more on a branch of its own."""
    work, bare = tmp_path_factory.mktemp("work"), Home(github_home).repository
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "commit", "--quiet", "--allow-empty", "--message", "one")
    git(work, "branch", "same")
    git(work, "checkout", "--quiet", "-b", BRANCH)
    git(work, "commit", "--quiet", "--allow-empty", "--message", "two")
    subprocess.run(["git", "clone", "--quiet", "--bare", work, bare], check=True)


def opened(environment: Environment, branch: str = BRANCH) -> tuple[bool, str]:
    """Open one; whether that changed something, and its address."""
    effect = open_pull_request(environment, branch, "main", f"Revert {PLANTED}", f"because {PLANTED}")
    return effect.changed, effect.after


def test_it_is_opened_once(github: StandIn, preprod_on_github: Environment, acting: Case) -> None:
    """The second call finds it by its branch; what its text may not hold is redacted."""
    assert pull_request_of(preprod_on_github, BRANCH, "main") == ""
    changed, address = opened(preprod_on_github)

    assert changed
    assert opened(preprod_on_github) == (False, address)
    assert pull_request_of(preprod_on_github, BRANCH, "main") == address
    [request] = github.pull_requests(BRANCH)
    assert (request["base"], request["state"]) == ("main", "open")
    assert request["title"] == "Revert [redacted:aws-key-id]"
    assert request["body"] == "because [redacted:aws-key-id]"


def test_a_lost_reply_opens_no_second_one(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """GitHub took it and answered 502: the next try finds it."""
    github.trouble({"kind": "lost-reply", "path": "/pulls", "method": "POST"})

    opened(preprod_on_github)

    assert len(github.pull_requests(BRANCH)) == 1


def test_what_somebody_closed_stays_closed(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """It says so, and opens no other one."""
    github.plant_pull_request(31, "Revert", BRANCH, "b" * 40, state="closed")

    with pytest.raises(StepFailed, match="closed the pull request"):
        opened(preprod_on_github)

    assert [request["state"] for request in github.pull_requests(BRANCH)] == ["closed"]
    assert pull_request_of(preprod_on_github, BRANCH, "main") == ""


@pytest.mark.parametrize(
    ("branch", "said"), [("nowhere", "head is invalid"), ("same", "No commits between main and same")]
)
def test_github_says_why_it_opens_none(
    github: StandIn, preprod_on_github: Environment, acting: Case, branch: str, said: str
) -> None:
    """A branch that it does not have, or that holds nothing new: one error with GitHub's own words."""
    with pytest.raises(StepFailed, match=said):
        opened(preprod_on_github, branch)

    assert github.pull_requests(branch) == []


def test_github_itself_takes_no_second_one(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """Asked twice past Backstop's look, GitHub refuses: the branch has one already."""
    opened(preprod_on_github)
    assert preprod_on_github.github
    with preprod_on_github.github.client() as client:
        from githubkit.exception import RequestFailed

        with pytest.raises(RequestFailed) as refused:
            client.rest.pulls.create("acme", "sentiment-service", title="x", head=BRANCH, base="main")

    assert refused.value.response.status_code == 422
    assert "already exists" in refused.value.response.text
