"""The revert as a pull request: real Terraform, a real Git server, GitHub as its stand-in plays it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.preprod_terraform_failure import recover
from rules.outcomes import Ending, Outcome
from rules.reverts import branch_of
from sandbox import commits, faults
from sandbox.releases import git
from tests.flows.broken_canary import steps
from tests.flows.preprod_world import Preprod
from tests.github_fixtures import DESCRIPTION

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(240)]

KILLED = """
import os, signal, sys, yaml
from blocks.environment import Environment
from flows import _revert_rung
from flows.preprod_terraform_failure import recover
_revert_rung.open_pull_request = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
recover.fn(Environment(**yaml.safe_load(open(sys.argv[1]))))
"""


@pytest.fixture
def broken(preprod: Preprod) -> Preprod:
    """Its newest commit is refused by Terraform; GitHub is held to its own description."""
    preprod.sandbox.github.hold_to(DESCRIPTION)
    faults.start(preprod.sandbox, "wrong-configuration", "preprod")
    return preprod


def bad_commit(preprod: Preprod) -> str:
    """What Terraform refuses."""
    return git(preprod.sandbox.home.repository, "rev-parse", "main").strip()


def requests(preprod: Preprod) -> list[dict[str, Any]]:
    """The pull requests of the revert; nothing was asked or answered that GitHub does not describe."""
    assert preprod.sandbox.github.seen()["violations"] == []
    return preprod.sandbox.github.pull_requests(branch_of(bad_commit(preprod)))


def opened(outcome: Outcome) -> list[str | None]:
    """How the steps that open the pull request ended."""
    return [result for action, _, result in steps(outcome) if action == "open_pull_request"]


def test_it_is_asked_for_once_and_says_why(broken: Preprod) -> None:
    """A rehearsal opens none; then one, with commit, Terraform's words and incident; never a second."""
    rehearsed = recover.fn(broken.environment, rehearse=True)
    assert requests(broken) == []

    outcome = recover.fn(broken.environment)
    again = recover.fn(broken.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    [request] = requests(broken)
    assert (request["base"], request["state"]) == ("main", "open")
    commit = bad_commit(broken)
    assert commit[:12] in request["title"]
    assert "Give slow calls more time" in request["title"]
    for told in (commit, "timout", outcome.incident):
        assert told in request["body"]
    assert outcome.hint.startswith("Merge https://")
    assert again.ending is Ending.RECOVERED, again.reason
    assert (opened(outcome), opened(again)) == (["changed"], ["unchanged"])
    assert rehearsed.plan
    assert outcome.plan
    assert rehearsed.plan.digest == outcome.plan.digest


def test_killed_between_push_and_pull_request(broken: Preprod) -> None:
    """The branch is pushed and its run is dead: the next run opens the one pull request."""
    file = str(broken.sandbox.home.environments / "preprod.yaml")
    child = subprocess.run(
        [sys.executable, "-c", KILLED, file],
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": "."},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert git(broken.sandbox.home.repository, "branch", "--list", branch_of(bad_commit(broken)))
    assert requests(broken) == []

    outcome = recover.fn(broken.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert len(requests(broken)) == 1


def test_github_is_down_after_the_push(broken: Preprod) -> None:
    """The branch is pushed and named, and what is left says how a person opens the pull request."""
    broken.sandbox.github.trouble({"kind": "error", "path": "/pulls", "times": 1000, "status": 503})
    branch = branch_of(bad_commit(broken))

    outcome = recover.fn(broken.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert branch in outcome.reason
    assert f"gh pr create --repo acme/sentiment-service --base main --head {branch}" in outcome.hint
    assert git(broken.sandbox.home.repository, "branch", "--list", branch)
    assert requests(broken) == []
    broken.sandbox.github.trouble()


def test_the_sandbox_forgets_it(broken: Preprod) -> None:
    """Repaired, the sandbox has neither the commit nor its pull request: the next practice begins anew."""
    recover.fn(broken.environment)
    [_] = requests(broken)
    branch = branch_of(bad_commit(broken))

    commits.forget_commits(broken.sandbox, "preprod")

    assert broken.sandbox.github.pull_requests(branch) == []
