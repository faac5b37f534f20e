"""The checklist before a test run, on a kit that is set up well, and with each thing wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from flows.preflight import Preflight, preflight
from rules.outcomes import Verdict
from sandbox import kit_runs
from sandbox.aws_front import Rule, change_rules
from sandbox.places import FOREIGN_ACCOUNT
from sandbox.test_kit.place import BILLING, INTAKE, KitPlace
from sandbox.world import Sandbox
from tests.flows.kit_world import KitWorld


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path) -> KitWorld:
    """Qa before anything happens."""
    return KitWorld.of(qa_sandbox, qa)


def failing(done: Preflight) -> dict[str, str]:
    """The lines that fail, and why."""
    return {c.name: c.reason for c in done.verification.checks if c.verdict is Verdict.FAIL}


def test_a_kit_that_is_set_up_well_may_run(world: KitWorld) -> None:
    """Every line has a verdict, and looking changes nothing."""
    before = world.read()

    done = preflight.fn(world.environment, "run-1")

    assert done.verdict is Verdict.PASS, done
    assert {c.verdict for c in done.verification.checks} == {Verdict.PASS}
    assert len(done.verification.checks) == 10
    assert world.read() == before


def test_a_wrong_queue_is_found_before_the_run(world: KitWorld) -> None:
    """What scenario 2 cleans up after, and the value that prevents it."""
    world.place.configure(BILLING)

    done = preflight.fn(world.environment)

    assert done.verdict is Verdict.FAIL
    assert f"set ITK_SQS_QUEUE_URL={world.place.url(INTAKE)}" in failing(done)["ITK_SQS_QUEUE_URL"]


def test_another_account_is_found(world: KitWorld) -> None:
    """By its credentials, whatever the settings say."""
    change_rules(world.place.home.faults, lambda now: [*now, Rule("*", "account", account=FOREIGN_ACCOUNT)])

    assert FOREIGN_ACCOUNT in failing(preflight.fn(world.environment))["account"]


def test_settings_and_artifacts_in_git_are_found(world: KitWorld) -> None:
    """Committed once is committed, whatever `.gitignore` says now."""
    kit_runs.start(world.place, "run-1", "--count", "1").wait(timeout=60)
    for words in (["init", "-q"], ["add", "-f", ".env", "artifacts"]):
        subprocess.run(["git", *words], cwd=world.place.folder, check=True)

    found = failing(preflight.fn(world.environment, "run-1"))

    assert {".env in git", "artifacts in git", "--out"} == set(found)


def test_a_missing_kit_fails_every_line_it_has(world: KitWorld) -> None:
    """No settings, a lock of a dead run: all of it is told at once."""
    (world.place.folder / ".env").unlink()
    (world.place.folder / "locks").mkdir()
    owner = {"run_id": "run-0", "pid": 1, "started": 1.0}
    (world.place.folder / "locks" / "orders.lock").write_text(json.dumps(owner))

    found = failing(preflight.fn(world.environment))

    assert {"ITK_SQS_QUEUE_URL", "ITK_MODE", "ITK_REDACT_KEYS", "ITK_BLOCKED_ACCOUNTS", "locks"} == set(found)


def test_what_cannot_be_looked_at_is_no_pass(world: KitWorld) -> None:
    """A refusal by AWS fails its lines; the others are told all the same."""
    denied = Rule("sqs.GetQueueAttributes", "error", code="AccessDenied", status=403)
    change_rules(world.place.home.faults, lambda now: [*now, denied])

    assert set(failing(preflight.fn(world.environment))) == {"queue"}
