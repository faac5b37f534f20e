"""Infrastructure code that Terraform refuses, on real Terraform and a real Git server: its commit is reverted."""

from __future__ import annotations

import subprocess

import pytest

from blocks.environment import Environment
from flows._ladder import Request
from flows.preprod_terraform_failure import recover
from rules.outcomes import Ending
from rules.reverts import RevertBy, branch_of
from sandbox import breaking, commits, faults, reading
from tests.flows.broken_canary import steps, with_terraform
from tests.flows.preprod_world import Preprod

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def broken(preprod: Preprod) -> Preprod:
    """Its newest commit is refused by Terraform; release 2 is live and proven."""
    faults.start(preprod.sandbox, "wrong-configuration", "preprod")
    return preprod


def asked(preprod: Preprod, *arguments: str) -> str:
    """Ask the Git server."""
    repository = preprod.sandbox.home.repository
    done = subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def pushing(environment: Environment) -> Environment:
    """The same environment, whose policy is to push to the default branch."""
    return with_terraform(environment, revert_by=RevertBy.PUSH)


def test_the_commit_is_reverted_on_a_branch(broken: Preprod) -> None:
    """The broken commit is found by itself; the revert cures it; what is deployed stays, proven."""
    bad, before = asked(broken, "rev-parse", "main"), reading.read(broken.sandbox.home, "preprod")

    outcome = recover.fn(broken.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "revert"
    assert [(action, result) for action, _, result in steps(outcome)] == [
        ("push_revert", "changed"),
        ("open_pull_request", "changed"),
    ]
    assert asked(broken, "rev-parse", "main") == bad
    assert "timeout " in asked(broken, "show", f"{branch_of(bad)}:infrastructure/functions.tf")
    after = reading.read(broken.sandbox.home, "preprod")
    assert (after.functions, after.state_sha256) == (before.functions, before.state_sha256)
    assert any("until backstop/revert-" in expected for expected in outcome.plan.expected)


def test_by_policy_it_is_pushed_after_an_approval(broken: Preprod) -> None:
    """To the default branch at once: the pipeline's next run deploys the code without it."""
    bad = asked(broken, "rev-parse", "main")
    rehearsed = recover.fn(pushing(broken.environment), rehearse=True)
    assert asked(broken, "rev-parse", "main") == bad

    past = Request(requested_by="Ada", break_glass="nobody is awake")
    outcome = recover.fn(pushing(broken.environment), request=past)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert rehearsed.plan
    assert rehearsed.plan.destructiveness.value == "disruptive"
    assert outcome.plan
    assert rehearsed.plan.digest == outcome.plan.digest
    assert asked(broken, "rev-parse", "main~1") == bad
    good = asked(broken, "rev-parse", "main~2")
    assert asked(broken, "diff", "--stat", good, "main") == ""


def test_half_a_deployment_is_also_returned(broken: Preprod) -> None:
    """What is deployed is no proven release: the commit is reverted, and then the next way returns to one."""
    breaking.swap_dashboard_code(broken.sandbox, "preprod")

    outcome = recover.fn(broken.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung in ("terraform", "direct")
    assert ("push_revert", "changed") in [(action, result) for action, _, result in steps(outcome)]
    assert reading.read(broken.sandbox.home, "preprod").releases == {broken.sandbox.release(2)}


def test_a_revert_that_cures_nothing_is_not_pushed(broken: Preprod) -> None:
    """The fault came with an earlier commit: reverting the newest would leave Terraform refusing the code."""
    commits.push_on_top(broken.sandbox)
    before = asked(broken, "for-each-ref")

    outcome = recover.fn(broken.environment)

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "alone does not help" in outcome.reason
    assert asked(broken, "for-each-ref") == before
    assert steps(outcome) == []
