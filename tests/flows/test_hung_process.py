"""A run that hangs is ended with all it started; a run that works, and everybody else, is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.settings import settings
from flows.hung_process import recover
from rules.outcomes import Ending
from sandbox import kit_runs
from sandbox.kit_faults import GOOD_RUN, HUNG_RUN, STRAY_RUN
from sandbox.test_kit.place import BILLING, INTAKE, KitPlace
from sandbox.world import Sandbox
from tests.flows.kit_world import KitWorld, steps

pytestmark = [pytest.mark.slow]

AGAIN = f"{HUNG_RUN}-again"


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa before anything happens; who must be quiet must be so for half a second."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.25")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    for name, value in qa_sandbox.variables().items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


@pytest.fixture
def bystander(world: KitWorld) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody's editor: the run's words are in its command line, it works in the kit's folder, it is not the run's."""
    words = [sys.executable, "-c", "import time; time.sleep(600)", "itk run", "sandbox.test_kit", HUNG_RUN]
    with subprocess.Popen(words, cwd=world.place.folder) as process:
        yield process
        process.kill()


def test_a_hung_run_is_ended_and_run_again(world: KitWorld, bystander: subprocess.Popen[bytes]) -> None:
    """Deaf to SIGTERM or not: no process and no lock is left, its artifacts are kept, the new run passes."""
    world.fault("hung-run")
    spans = (world.place.artifacts / HUNG_RUN / "spans.jsonl").read_text()

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    now = world.read()
    assert now.alive == ()
    assert now.locks == ()
    assert now.runs == (AGAIN, "set-aside")
    assert (world.place.artifacts / "set-aside" / HUNG_RUN / "spans.jsonl").read_text() == spans
    assert json.loads((world.place.artifacts / AGAIN / "run.json").read_text())["exit_code"] == 0
    assert bystander.poll() is None
    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO


@pytest.mark.parametrize("way", ["hang", "fork-away", "zombie"])
def test_whatever_it_started_goes_with_it(world: KitWorld, way: str) -> None:
    """A child in a session of its own as well; a zombie needs nothing."""
    kit_runs.start(world.place, HUNG_RUN, "--count", "10", "--misbehave", way)
    kit_runs.wait_until_published(world.place, HUNG_RUN, 10)
    least = 2 if way == "zombie" else 3
    world.sandbox.wait_for(
        lambda: len(kit_runs.processes_of(world.place, HUNG_RUN)) >= least, "its processes hang"
    )

    outcome = recover.fn(world.environment, run_again=False)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert kit_runs.processes_of(world.place, HUNG_RUN) == []
    assert len(world.place.held(INTAKE)) == 10


def test_a_run_that_works_is_left_alone(world: KitWorld) -> None:
    """It says something now and then: it does not hang, and its lock is its own."""
    kit_runs.start(world.place, STRAY_RUN, "--misbehave", "linger")
    kit_runs.wait_until_published(world.place, STRAY_RUN, 24)
    before = world.read()

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert world.read() == before
    assert steps(outcome) == {}


def test_a_rehearsal_ends_nothing(world: KitWorld) -> None:
    """The plan says what would be ended and run again; everything stays."""
    world.fault("hung-run")
    before = world.read()

    rehearsed = recover.fn(world.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert world.read() == before
    real = recover.fn(world.environment)
    assert real.plan
    assert rehearsed.plan
    assert real.plan.digest == rehearsed.plan.digest


def test_a_dead_runs_lock_is_freed_and_no_other(world: KitWorld) -> None:
    """The run is gone, its lock keeps everybody out; another run's lock, and files that only look like one, stay."""
    world.fault("hung-run")
    kit_runs.end_runs(world.place.home)
    world.sandbox.wait_for(lambda: not kit_runs.processes_of(world.place, HUNG_RUN), "it is dead")
    other = world.place.folder / "locks" / "other.lock"
    other.write_text(json.dumps({"run_id": "run-9", "pid": os.getpid(), "started": 1.0}))
    (world.place.folder / "uv.lock").write_text("version = 1")
    outside = world.place.home.path / "outside.lock"
    outside.write_text(json.dumps({"run_id": HUNG_RUN, "pid": 1, "started": 1.0}))
    (world.place.folder / "locks" / "link.lock").symlink_to(outside)

    outcome = recover.fn(world.environment, run_again=False)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert set(world.read().locks) == {"other.lock", "link.lock"}
    assert outside.exists()
    assert (world.place.folder / "uv.lock").exists()


def test_a_run_that_hangs_again_is_ended_in_time(world: KitWorld) -> None:
    """The time limit holds: it is not left hanging, and a person is told."""
    world.fault("hung-run")
    slow = [*world.environment.test_kit.command[:-1], "run", "--misbehave", "hang"]
    environment = world.with_kit(command=slow, run_timeout_seconds=3.0)

    outcome = recover.fn(environment)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "took longer than 3 s" in outcome.reason
    assert kit_runs.processes_of(world.place, AGAIN) == []


def test_it_is_not_run_again_into_the_wrong_queue(world: KitWorld) -> None:
    """A kit whose settings are wrong would do damage: the run is ended, and the right setting is offered."""
    world.fault("hung-run")
    world.place.configure(BILLING)

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert any(
        f"set ITK_SQS_QUEUE_URL={world.place.url(INTAKE)}" in reason for reason in outcome.plan.reasons
    )
    assert AGAIN not in world.read().runs


def test_a_finished_run_is_nothing_to_do(world: KitWorld) -> None:
    """It has ended, and holds nothing."""
    world.fault("finished-run")

    outcome = recover.fn(world.environment, GOOD_RUN)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason


def test_a_run_that_is_not_there_is_refused_with_those_that_are(world: KitWorld) -> None:
    """A misspelt id, and a link that leads out of the artifacts: nothing is changed."""
    world.fault("finished-run")
    (world.place.artifacts / "elsewhere").symlink_to(world.place.home.path)

    for name in ("run-god", "elsewhere"):
        outcome = recover.fn(world.environment, name)
        assert outcome.ending is Ending.REFUSED, outcome.reason
        assert GOOD_RUN in outcome.hint


def test_the_runbooks_search_finds_bystanders_and_misses_children(
    world: KitWorld, bystander: subprocess.Popen[bytes]
) -> None:
    """`pgrep -f` finds the editor with the run's name in its command line, and not the child that left."""
    kit_runs.start(world.place, HUNG_RUN, "--count", "10", "--misbehave", "fork-away")
    kit_runs.wait_until_published(world.place, HUNG_RUN, 10)
    world.sandbox.wait_for(
        lambda: len(kit_runs.processes_of(world.place, HUNG_RUN)) >= 3, "its processes hang"
    )
    everything = {process.pid for process in kit_runs.processes_of(world.place, HUNG_RUN)}

    said = subprocess.run(["pgrep", "-f", HUNG_RUN], capture_output=True, text=True, check=True).stdout

    found = {int(pid) for pid in said.split()}
    assert bystander.pid in found
    assert everything - found
