"""A failed test run is judged by what it says, and run again where that helps, within limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blocks.settings import settings
from flows.test_run_failure import recover
from rules.outcomes import Ending
from sandbox import kit_runs
from sandbox.kit_faults import FAILED_RUN, STRAY_RUN
from sandbox.test_kit.place import BILLING, KitPlace
from sandbox.world import Sandbox
from tests.flows.kit_world import KitWorld, steps

pytestmark = [pytest.mark.slow]

DEBUG, RETRY = f"{FAILED_RUN}-debug-1", f"{FAILED_RUN}-retry-1"


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa before anything happens."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.05")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    for name, value in qa_sandbox.variables().items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


def test_a_run_that_lost_its_line_passes_when_it_is_run_again(world: KitWorld) -> None:
    """Once verbosely, set aside; once as it should be; its own artifacts stay; nothing needed rolling back."""
    world.fault("failed-run")

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.read().runs == (FAILED_RUN, RETRY, "set-aside")
    assert (world.place.artifacts / "set-aside" / DEBUG / "report.md").exists()
    assert json.loads((world.place.artifacts / RETRY / "run.json").read_text())["exit_code"] == 0
    assert outcome.plan
    assert "nothing needs rolling back" in outcome.plan.reasons[0]
    assert recover.fn(world.environment, FAILED_RUN).ending is Ending.NOTHING_TO_DO


@pytest.mark.parametrize(("way", "made"), [("fail", 1), ("lose-line", 3)])
def test_a_run_that_stays_broken_is_not_tried_for_ever(world: KitWorld, way: str, made: int) -> None:
    """Broken code is run verbosely and left to its author; what may pass is tried twice more and no oftener."""
    world.fault("failed-run")
    environment = world.with_kit(command=[*world.environment.test_kit.command, "--misbehave", way])

    outcome = recover.fn(environment)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert ("code, an assertion does not hold" if way == "fail" else "infrastructure") in outcome.reason
    assert steps(outcome)[("repeat_run", "changed")] == made


def test_a_rehearsal_runs_nothing(world: KitWorld) -> None:
    """The plan says what would be run; everything stays."""
    world.fault("failed-run")
    before = world.read()

    rehearsed = recover.fn(world.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert world.read() == before
    assert steps(rehearsed) == {}


def test_a_run_that_passed_is_nothing_to_do(world: KitWorld) -> None:
    """By its exit code and its artifacts; without its report it is a failed one."""
    world.fault("finished-run")

    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO
    (world.place.artifacts / "run-good" / "report.md").unlink()
    missing = recover.fn(world.environment, rehearse=True)

    assert missing.ending is Ending.REHEARSED
    assert missing.plan
    assert any("left no report.md" in reason for reason in missing.plan.reasons)


def test_it_is_not_run_again_where_it_would_do_damage(world: KitWorld) -> None:
    """A run that published elsewhere is another scenario; one whose settings are wrong now is left alone."""
    world.fault("failed-run")
    world.place.configure(BILLING)

    wrong_now = recover.fn(world.environment)
    kit_runs.start(world.place, STRAY_RUN, "--misbehave", "fail").wait(timeout=60)
    published = recover.fn(world.environment, STRAY_RUN)

    assert wrong_now.ending is Ending.NOT_RECOVERED
    assert "set ITK_SQS_QUEUE_URL=" in wrong_now.reason
    assert published.ending is Ending.REFUSED
    assert "wrong-queue-publish" in published.hint
    assert steps(wrong_now) == steps(published) == {}
