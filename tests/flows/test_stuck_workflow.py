"""A workflow run that hangs, on a GitHub that is held to its own description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows.stuck_workflow import recover
from rules.outcomes import Ending
from sandbox import faults
from sandbox.github_breaking import HANGING_RUN
from sandbox.github_stand_in import StandIn
from sandbox.world import Sandbox
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def github(fresh_sandbox: Sandbox) -> StandIn:
    """The sandbox's GitHub."""
    return fresh_sandbox.github


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """Preprod, in whose repository nothing hangs yet."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "1")
    settings.cache_clear()
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    yield Environment(**yaml.safe_load(text))
    settings.cache_clear()


def hangs(github: StandIn, **changes: Any) -> int:
    """A run whose step has hung for 45 minutes; its number."""
    step = changes.pop("step", "pytest")
    jobs = [{"name": "test", "steps": [{"name": step, "seconds": None}]}]
    return github.plant_run(**{"jobs": jobs, "ago": 2700, "old": True, **changes})


def ends(github: StandIn, run: int) -> list[str | None]:
    """How each attempt of a run ended."""
    return [attempt["conclusion"] for attempt in github.attempts(run)]


def test_a_run_that_does_not_obey_is_ended_by_force_and_runs_again(
    preprod: Environment, fresh_sandbox: Sandbox
) -> None:
    """The old attempt is cancelled, one new attempt succeeds, and nothing is left to do."""
    faults.start(fresh_sandbox, "stuck-workflow", "preprod")

    outcome = recover.fn(preprod, force_after_seconds=5)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    github = fresh_sandbox.github
    fresh_sandbox.wait_for(lambda: ends(github, HANGING_RUN) == ["cancelled", "success"], "the new attempt")
    assert github.attempts(HANGING_RUN)[0]["forced"]
    subject = f"run {HANGING_RUN}"
    assert steps(outcome) == [("end_run", subject, "changed"), ("rerun", subject, "changed")]
    assert recover.fn(preprod).ending is Ending.NOTHING_TO_DO


def test_a_run_that_obeys_is_not_forced(preprod: Environment, github: StandIn) -> None:
    """Its `always()` steps could clean up."""
    run = hangs(github)

    assert recover.fn(preprod, run=run).ending is Ending.RECOVERED

    assert ends(github, run)[0] == "cancelled"
    assert not github.attempts(run)[0]["forced"]


def test_what_progresses_or_waits_is_left_alone_and_told_why(preprod: Environment, github: StandIn) -> None:
    """An old run whose steps still end, one that waits for an approval, one that waits for another run."""
    slow = [{"name": "test", "steps": [{"name": f"part {n}", "seconds": 300} for n in range(30)]}]
    runs = [
        github.plant_run(jobs=slow, ago=2700, old=True),
        hangs(github, held="waiting"),
        hangs(github, held="pending"),
        hangs(github, ago=600),
    ]

    outcome = recover.fn(preprod)

    assert outcome.ending is Ending.NOTHING_TO_DO
    for said in ("still progresses", "waits for a person", "concurrency group", "began 10 min ago"):
        assert said in outcome.reason
    assert [ends(github, run) for run in runs] == [[None]] * 4


def test_a_rehearsal_changes_nothing_and_plans_the_same(preprod: Environment, github: StandIn) -> None:
    """The digest of the rehearsed plan is that of the one acted on."""
    run = hangs(github)

    rehearsed = recover.fn(preprod, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert ends(github, run) == [None]
    assert steps(rehearsed) == []
    real = recover.fn(preprod)
    assert real.plan
    assert rehearsed.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_a_newer_run_is_not_overwritten(preprod: Environment, github: StandIn) -> None:
    """The stuck one is ended and stays ended: its commit is older than what was deployed since."""
    run = hangs(github)
    github.plant_run(ago=600, old=True)

    outcome = recover.fn(preprod)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert ends(github, run) == ["cancelled"]
    assert outcome.plan
    assert any("newer" in reason for reason in outcome.plan.reasons)


def test_ending_a_deployment_is_asked_for_first(preprod: Environment, github: StandIn) -> None:
    """A step that applies may be half way: nobody answers, so nothing is changed."""
    run = hangs(github, step="Terraform apply")

    outcome = recover.fn(preprod)

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert ends(github, run) == [None]


def test_a_run_that_never_ends_is_told(
    preprod: Environment, github: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither order helps: not recovered, and it was not begun again."""
    monkeypatch.setattr("tasks.run_endings.FORCED_SECONDS", 5.0)
    run = hangs(github, obeys="nothing")

    outcome = recover.fn(preprod, force_after_seconds=5)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "not even by force" in outcome.reason
    assert ends(github, run) == [None]


def test_a_new_attempt_that_no_runner_takes_is_no_recovery(
    preprod: Environment, github: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the queue nothing is proven."""
    monkeypatch.setattr("flows.stuck_workflow.BEGIN_SECONDS", 5.0)
    run = hangs(github, queued_again=None)

    outcome = recover.fn(preprod)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "no runner" in outcome.reason
    assert len(ends(github, run)) == 2


def test_github_that_fails_on_the_way_is_asked_again(preprod: Environment, github: StandIn) -> None:
    """A rate limit, a 503 and a lost reply in the middle: the run still begins again exactly once."""
    run = hangs(github)
    github.trouble(
        {"kind": "secondary", "seconds": 1},
        {"kind": "error", "status": 503, "times": 2},
        {"kind": "lost-reply", "path": "/cancel"},
        {"kind": "lost-reply", "path": "/rerun"},
    )

    outcome = recover.fn(preprod)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert len(ends(github, run)) == 2


def test_a_wrong_token_changes_nothing(
    preprod: Environment, github: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, with the way out."""
    run = hangs(github)
    monkeypatch.setenv("WRONG_TOKEN", "wrong-token-123456")
    assert preprod.github
    wrong = preprod.github.model_copy(
        update={
            "token": preprod.github.token.model_copy(update={"source": "environment", "name": "WRONG_TOKEN"})
        }
    )

    outcome = recover.fn(preprod.model_copy(update={"github": wrong}))

    assert outcome.ending is Ending.REFUSED
    assert "store a new one" in outcome.hint
    assert ends(github, run) == [None]


def test_the_runbooks_command_alone_leaves_it_running(preprod: Environment, github: StandIn) -> None:
    """`gh run cancel` is an order that a hanging runner need not obey, and `gh run rerun` is then refused."""
    import httpx

    run = hangs(github, obeys="force")
    assert preprod.github
    base = f"{preprod.github.api_url}/repos/{preprod.github.full_name}/actions/runs/{run}"
    headers = {"Authorization": f"Bearer {preprod.github.token.read().get_secret_value()}"}

    assert httpx.post(f"{base}/cancel", headers=headers).status_code == 202
    again = httpx.post(f"{base}/rerun", headers=headers)

    assert (again.status_code, again.json()["message"]) == (403, "This workflow is already running")
    assert ends(github, run) == [None]
