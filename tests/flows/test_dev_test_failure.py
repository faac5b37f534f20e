"""The tests of a pull request failed, on a GitHub that is held to its own description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows.dev_test_failure import recover
from ledger.database import open_ledger
from ledger.models import TimelineRow
from rules.outcomes import Ending
from sandbox import faults
from sandbox.github_breaking import FAILED_RUN, LOG, PULL_REQUEST
from sandbox.github_stand_in import StandIn
from sandbox.world import Sandbox
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

PLANTED = "AKIA" + "QWERTYUIOPASDFGH"


@pytest.fixture
def github(fresh_sandbox: Sandbox) -> StandIn:
    """The sandbox's GitHub, on which a pull request's tests failed."""
    faults.start(fresh_sandbox, "failing-tests", "preprod")
    return fresh_sandbox.github


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """The environment whose repository it is."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    yield Environment(**yaml.safe_load(text))
    settings.cache_clear()


def test_the_pull_request_says_why(preprod: Environment, github: StandIn) -> None:
    """One comment: each failed test with its cause. No run, no pull request is changed; a second start says no more."""
    before = github.seen()

    outcome = recover.fn(preprod, FAILED_RUN)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    [said] = github.comments(PULL_REQUEST)
    assert "2 failed: 1 secrets, 1 code" in said
    assert "**code** (an assertion does not hold) in `tests/unit/test_score_dev.py::test_score`" in said
    assert (
        "**secrets** (a secret cannot be read) in `tests/integration/test_key_dev.py::test_api_key`" in said
    )
    assert github.seen()["runs"] == before["runs"]
    assert steps(outcome) == [("comment_on_pull_request", f"pull request #{PULL_REQUEST}", "changed")]
    assert recover.fn(preprod, FAILED_RUN).ending is Ending.NOTHING_TO_DO
    assert len(github.comments(PULL_REQUEST)) == 1


def test_the_next_failure_is_written_over_it(preprod: Environment, github: StandIn) -> None:
    """A pull request that fails ten times has one comment, about the last."""
    recover.fn(preprod, FAILED_RUN)
    jobs = [
        {
            "name": "test",
            "steps": [{"name": "pip install", "conclusion": "failure"}],
            "log": "ERROR: No matching distribution found for x\n",
        }
    ]
    run = github.plant_run(
        workflow="tests-dev.yml", jobs=jobs, ago=60, event="pull_request", pull_request=PULL_REQUEST, old=True
    )

    recover.fn(preprod, run)

    [said] = github.comments(PULL_REQUEST)
    assert "1 failed: 1 dependency" in said
    assert f"runs/{run}/attempts/1" in said


def test_a_rehearsal_says_nothing(preprod: Environment, github: StandIn) -> None:
    """The plan holds the comment's text; the pull request does not."""
    rehearsed = recover.fn(preprod, FAILED_RUN, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert rehearsed.plan
    assert "1 secrets" in rehearsed.plan.facts["comment"]
    assert github.comments(PULL_REQUEST) == []
    real = recover.fn(preprod, FAILED_RUN)
    assert real.plan
    assert real.plan.digest == rehearsed.plan.digest


def test_a_run_that_did_not_fail_needs_no_words(preprod: Environment, github: StandIn) -> None:
    """Passed: nothing to do. Still running: refused, because nobody knows yet."""
    passed = github.plant_run(workflow="tests-dev.yml", ago=60, pull_request=PULL_REQUEST, old=True)
    hangs = [{"name": "test", "steps": [{"name": "pytest", "seconds": None}]}]
    running = github.plant_run(workflow="tests-dev.yml", jobs=hangs, pull_request=PULL_REQUEST, old=True)

    assert recover.fn(preprod, passed).ending is Ending.NOTHING_TO_DO
    assert recover.fn(preprod, running).ending is Ending.REFUSED
    assert github.comments(PULL_REQUEST) == []


def test_a_run_of_a_fork_needs_the_number(preprod: Environment, github: StandIn) -> None:
    """GitHub names no pull request for it: refused with what to give, and with that it is said."""
    jobs = [{"name": "test", "steps": [{"name": "pytest", "conclusion": "failure"}], "log": LOG}]
    run = github.plant_run(workflow="tests-dev.yml", jobs=jobs, ago=60, old=True)

    outcome = recover.fn(preprod, run)
    assert outcome.ending in (Ending.REFUSED, Ending.NOT_RECOVERED)
    assert "no open pull request" in outcome.reason
    assert github.comments(PULL_REQUEST) == []

    assert recover.fn(preprod, run, pull_request=PULL_REQUEST).ending is Ending.RECOVERED
    assert len(github.comments(PULL_REQUEST)) == 1


def test_logs_that_are_gone_are_told(preprod: Environment, github: StandIn) -> None:
    """GitHub keeps logs for some time only: nothing is guessed, nothing is said on the pull request."""
    jobs = [{"name": "test", "steps": [{"name": "pytest", "conclusion": "failure"}]}]
    run = github.plant_run(workflow="tests-dev.yml", jobs=jobs, ago=60, pull_request=PULL_REQUEST, old=True)

    outcome = recover.fn(preprod, run)

    assert "keeps no log" in outcome.reason
    assert github.comments(PULL_REQUEST) == []


def test_secrets_of_a_log_are_told_nobody(preprod: Environment, github: StandIn) -> None:
    """A key that a test printed is neither in the comment, nor in the outcome, nor in the ledger."""
    log = LOG.replace("assert 'negative'", f"assert '{PLANTED}'")
    jobs = [{"name": "test", "steps": [{"name": "pytest", "conclusion": "failure"}], "log": log}]
    run = github.plant_run(workflow="tests-dev.yml", jobs=jobs, ago=60, pull_request=PULL_REQUEST, old=True)

    outcome = recover.fn(preprod, run)

    with open_ledger().reading() as session:
        told = "".join(f"{row.text} {row.data}" for row in session.query(TimelineRow))
    [said] = github.comments(PULL_REQUEST)
    assert PLANTED not in said + outcome.model_dump_json() + told
    assert "[redacted:aws-key-id]" in said


def test_a_comment_that_github_refuses_is_no_recovery(preprod: Environment, github: StandIn) -> None:
    """GitHub fails at every try to write it: not recovered, and nothing is claimed."""
    github.trouble({"kind": "error", "path": "/comments", "method": "POST", "times": 99})

    outcome = recover.fn(preprod, FAILED_RUN)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert github.comments(PULL_REQUEST) == []
