"""A deployment that stopped half way, on real Terraform with its real lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.settings import settings
from flows.production_deploy_failure import recover
from rules.errors import StepFailed
from rules.outcomes import Ending
from sandbox import breaking, faults
from sandbox.world import Sandbox
from tasks import _terraform_saved, terraform_runs
from tests.flows.broken_canary import Production, steps, with_terraform

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

HALF = "deployed-by-half"


@pytest.fixture(scope="module")
def half_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox after a deployment of release 3 stopped half way, kept as a moment."""
    sandbox.reset()
    breaking.deploy_half(sandbox, "prod")
    sandbox.keep(HALF)
    yield sandbox
    sandbox.reset()


@pytest.fixture
def half(half_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Releases 1 and 2 are proven; 3 is live in two of three functions."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    half_sandbox.reset(HALF)
    production = Production.of(half_sandbox)
    production.prove(1, 2)
    return production


def test_it_returns_whole_to_the_last_proven_release(half: Production) -> None:
    """Although every check of the service passes: code, infrastructure and lock are of release 2, and of it only."""
    assert not half.runs(2)
    assert not half.runs(3)

    outcome = recover.fn(half.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.target == half.sandbox.release(2)
    assert half.runs(2)
    assert half.memory() == {384}
    assert half.lock() is None
    assert [(action, result) for action, _, result in steps(outcome)] == [
        ("release_dead_lock", "unchanged"),
        ("freeze_state", "changed"),
        ("apply_plan", "changed"),
        ("thaw_state", "changed"),
    ]


def test_nobody_deploys_meanwhile(half: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it applies, Terraform itself refuses a pipeline and shows which incident is at work."""
    refused: list[str] = []
    applied = _terraform_saved.applied

    def meanwhile(*arguments: object) -> object:
        with pytest.raises(StepFailed) as failed:
            half.sandbox.deploy("prod", 1, lock_seconds=0)
        refused.append(failed.value.message)
        return applied(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(terraform_runs, "applied", meanwhile)

    outcome = recover.fn(half.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert "RecoveryFreeze" in refused[0]
    assert outcome.incident in refused[0]
    assert half.runs(2)
    assert half.lock() is None


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(half: Production) -> None:
    """Its plan has the digest of the plan that is then acted on; AWS, state and lock stay as they were."""
    before = half.everything()

    rehearsed = recover.fn(half.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert half.everything() == before
    real = recover.fn(half.environment)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_the_freeze_ends_when_terraform_fails(half: Production) -> None:
    """The direct way recovers, and deployments are let in again."""
    faults.start(half.sandbox, "terraform-denied")

    outcome = recover.fn(half.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "direct"
    assert half.runs(2)
    assert half.lock() is None


def test_somebody_elses_deployment_is_not_frozen_out(half: Production) -> None:
    """A lock that a pipeline holds stays its own: the direct way is taken past it."""
    breaking.hold_lock(half.sandbox, "prod")
    held = half.lock()
    assert held
    outcome = recover.fn(with_terraform(half.environment, lock_timeout_seconds=1))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert half.lock() == held


def test_a_whole_and_healthy_release_is_left_alone(fresh_sandbox: Sandbox, own_home: Path) -> None:
    """Nothing to do where every function runs the recorded release and Terraform has nothing to change."""
    production = Production.of(fresh_sandbox)
    production.prove(1, 2)
    before = production.everything()

    outcome = recover.fn(production.environment)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert production.everything() == before
