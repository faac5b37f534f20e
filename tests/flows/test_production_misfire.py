"""A test run that acts in production is stopped and shut out, and what it did is told; production is only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.settings import settings
from cli.main import app
from flows.preflight import preflight
from flows.production_misfire import recover
from rules.outcomes import Ending, Outcome, Verdict
from sandbox import kit_runs
from sandbox.kit_faults import COUNT, MISFIRED_RUN
from sandbox.test_kit import production
from sandbox.test_kit.place import BLOCKED, KitPlace
from sandbox.test_kit.production import ORDERS, PARTNER_KEY, PRODUCTION
from sandbox.test_kit.runs import BLOCKED as REFUSED_BY_THE_KIT
from sandbox.world import Sandbox
from tests.flows.kit_world import KitWorld, steps

pytestmark = [pytest.mark.slow]


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa before anything happens."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


def told(outcome: Outcome) -> dict[str, str]:
    """What each check of the proof says."""
    assert outcome.verification
    return {check.name: check.reason for check in outcome.verification.checks}


def test_a_run_in_production_is_stopped_and_shut_out(world: KitWorld) -> None:
    """Nothing of it runs; the account is blocked; its messages, reads and writes are told; production is as it was."""
    world.fault("production-run")
    before = world.read()

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    now = world.read()
    assert (before.alive, now.alive) == ((MISFIRED_RUN,), ())
    assert now.production == before.production
    assert len(now.production) == production.CUSTOMERS + COUNT
    assert now.blocked == f"ITK_BLOCKED_ACCOUNTS={BLOCKED},{PRODUCTION}"
    assert now.evidence
    facts = told(outcome)
    assert facts[f"messages sent to {ORDERS}"].startswith(f"{COUNT} by the run's own word")
    assert facts[f"data read in {PRODUCTION}"].startswith(f"secretsmanager:GetSecretValue {PARTNER_KEY}")
    assert facts[f"writes in {PRODUCTION}"] == f"sqs:TagQueue {ORDERS}"
    assert "it may be late" in facts[f"CloudTrail of {PRODUCTION}"]
    assert outcome.verification
    for proposed in ("Undo by hand", "correlation ids", "Look at CloudTrail"):
        assert proposed in outcome.verification.left
    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO


def test_a_blocked_account_is_refused_from_then_on(world: KitWorld) -> None:
    """By the kit itself, by the preflight, and by Backstop's own guard; taken off the list it is open again."""
    world.fault("production-run")
    assert recover.fn(world.environment).ending is Ending.RECOVERED
    there = {"ITK_SQS_QUEUE_URL": production.url(world.place), **production.variables(world.place)}

    kit = kit_runs.start(world.place, "run-2", more=there).wait(timeout=60)
    world.place.configure()
    checked = preflight.fn(world.environment).verification.checks
    [auditor] = world.environment.test_kit.evidence_accounts
    moved = world.environment.model_copy(update={"account": auditor})
    refused = recover.fn(moved, MISFIRED_RUN)

    assert kit == REFUSED_BY_THE_KIT
    failing = {check.name: check.reason for check in checked if check.verdict is Verdict.FAIL}
    assert set(failing) == {"ITK_BLOCKED_ACCOUNTS", "locks"}
    assert failing["ITK_BLOCKED_ACCOUNTS"].endswith(f"set ITK_BLOCKED_ACCOUNTS={PRODUCTION},{BLOCKED}")
    assert refused.ending is Ending.REFUSED
    assert f"is blocked: the test run {MISFIRED_RUN} acted there" in refused.reason
    assert f"account {PRODUCTION}" in refused.reason
    app(["blocked-accounts", "remove", PRODUCTION])
    assert recover.fn(moved, MISFIRED_RUN).ending is not Ending.REFUSED


def test_a_rehearsal_stops_nothing(world: KitWorld) -> None:
    """The plan names run and account; the run goes on."""
    world.fault("production-run")

    outcome = recover.fn(world.environment, rehearse=True)

    assert outcome.ending is Ending.REHEARSED, outcome.reason
    assert world.read().alive == (MISFIRED_RUN,)
    assert steps(outcome) == {}


def test_where_nobody_may_look_a_person_is_told(world: KitWorld) -> None:
    """It is stopped and blocked all the same; its own word of what it did proves nothing."""
    world.fault("production-run")

    outcome = recover.fn(world.with_kit(evidence_accounts=[]))

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "nobody may look there" in outcome.reason
    assert world.read().alive == ()
    assert PRODUCTION in world.read().blocked


def test_a_run_that_kept_to_its_own_account_is_nothing_to_do(world: KitWorld) -> None:
    """It is not stopped, and no account is blocked."""
    world.fault("finished-run")
    before = world.read()

    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO
    assert world.read() == before


def test_a_search_by_name_stops_less_than_the_run(world: KitWorld) -> None:
    """`pkill -f "itk"` of the runbook matches the command line alone: a kit started by another name goes on."""
    import subprocess

    world.fault("production-run")
    found = subprocess.run(["pgrep", "-f", "itk run"], capture_output=True, text=True, check=False).stdout

    ours = {process.pid for process in kit_runs.processes_of(world.place, MISFIRED_RUN)}
    assert ours
    assert not ours & {int(pid) for pid in found.split()}
