"""Personal data in the artifacts of a test run: withdrawn, kept encrypted, and said whom to tell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from blocks.settings import settings
from flows.exposed_personal_data import recover
from rules.outcomes import Ending
from sandbox.kit_faults import LEAKY_RUN
from sandbox.test_kit.place import KitPlace
from sandbox.world import Sandbox
from tests.flows.kit_world import KitWorld

pytestmark = [pytest.mark.slow]

AGAIN, ADDRESS = f"{LEAKY_RUN}-redacted", "jane.doe@" + "customer.example"


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa with a run that leaked a customer's address; waits are short."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    found = KitWorld.of(qa_sandbox, qa)
    found.fault("leaked-credentials")
    return found


def test_it_is_withdrawn(world: KitWorld) -> None:
    """Artifacts are gone and kept encrypted, a cleaned branch waits, the next run's artifacts hold none."""
    repository = str(world.place.repository)

    outcome = recover.fn(world.environment, repository=repository, people_told=True)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    now = world.read()
    assert now.runs == (AGAIN,)
    assert now.evidence == (f"{LEAKY_RUN}.evidence",)
    assert "ITK_REDACT_PATTERNS=email,phone,ssn,name" in now.redacted
    [cleaned] = [branch for branch in now.branches if branch != "main"]
    words = ["git", "-C", repository, "log", "-p", cleaned]
    assert ADDRESS not in subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for path in world.place.copies.rglob("*.evidence"):
        assert ADDRESS.encode() not in path.read_bytes()


def test_it_stays_open_until_people_were_told(world: KitWorld) -> None:
    """Who must be told and by when is the reason why it is not over; what a scan cannot find is in the plan."""
    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "the data protection authority within 72 hours" in outcome.reason
    assert outcome.plan
    assert any("free text" in reason for reason in outcome.plan.reasons)
    assert ADDRESS not in outcome.model_dump_json()


def test_a_rehearsal_changes_nothing(world: KitWorld) -> None:
    """Nothing is kept, deleted or pushed; the plan is the one that is then acted on."""
    before = world.read()

    rehearsed = recover.fn(world.environment, people_told=True, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert world.read() == before
    real = recover.fn(world.environment, people_told=True)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_a_clean_run_is_left_alone(world: KitWorld) -> None:
    """Nothing to do, for a run without personal data."""
    world.fault("finished-run")

    outcome = recover.fn(world.environment, run="run-good")

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason


def test_what_cannot_be_read_is_not_called_clean(world: KitWorld) -> None:
    """A link in the artifacts leads elsewhere: neither clean nor not, so nothing is done without a person."""
    world.fault("finished-run")
    (world.place.artifacts / "run-good" / "more").symlink_to("/etc")

    outcome = recover.fn(world.environment, run="run-good")

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert (world.place.artifacts / "run-good" / "more").is_symlink()
