"""A rollback that failed half way, on real Terraform; and a service that nothing brings back."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.settings import settings
from flows._ladder import Request
from flows.rollback_failure import recover
from rules.outcomes import Ending
from sandbox import breaking, faults
from sandbox.world import Sandbox
from tests.flows.broken_canary import Production, steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

FAILED = "rollback-failed"
PAST = Request(requested_by="Ada", break_glass="orders are written twice")


@pytest.fixture(scope="module")
def failed_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox after the rollback from release 3 failed half way, kept as a moment."""
    sandbox.reset()
    breaking.fail_rollback(sandbox, "prod")
    sandbox.keep(FAILED)
    yield sandbox
    sandbox.reset()


@pytest.fixture
def failed(failed_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Nothing is proven yet; the dashboard's callers get release 3."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    failed_sandbox.reset(FAILED)
    return Production.of(failed_sandbox)


def capacity(production: Production) -> dict[str, int | None]:
    """The reserved concurrency of every function, by package."""
    client = production.sandbox.client("lambda")
    return {
        package: client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name, package in production.functions.items()
    }


def answered(production: Production) -> int:
    """What the dashboard's callers get."""
    url = production.sandbox.home.addresses().function_url(
        production.sandbox.place("prod").function("dashboard")
    )
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_it_returns_whole_and_is_watched(failed: Production) -> None:
    """Every function's callers get the last proven release, and the alarms were clear for the time asked for."""
    failed.prove(1, 2)
    assert not failed.runs(2)

    outcome = recover.fn(failed.environment, watch_minutes=1)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "terraform", outcome.plan.reasons
    assert failed.runs(2)
    assert failed.memory() == {384}
    assert failed.lock() is None
    assert outcome.verification
    watched = {check.name: check for check in outcome.verification.checks}
    assert watched["watched"].wanted == "12 s"
    assert all("clear for" in check.reason for name, check in watched.items() if name.startswith("alarm "))
    assert outcome.seconds["verify"] >= 12  # type: ignore[index]  # a phase is its word


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(failed: Production) -> None:
    """Its plan has the digest of the plan that is then acted on."""
    failed.prove(1, 2)
    before = failed.everything()

    rehearsed = recover.fn(failed.environment, watch_minutes=0, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert failed.everything() == before
    real = recover.fn(failed.environment, watch_minutes=0)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_without_terraform_the_code_is_set_directly(failed: Production) -> None:
    """The next rung brings back what Terraform cannot."""
    failed.prove(1, 2)
    faults.start(failed.sandbox, "terraform-broken")

    outcome = recover.fn(failed.environment, watch_minutes=0)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "direct"
    assert failed.runs(2)


def test_a_hopeless_service_is_taken_offline_and_comes_back(failed: Production) -> None:
    """Nobody is served, a person is paged; later every function has the capacity it had, and is healthy."""
    ingestion = failed.sandbox.place("prod").function("ingestion")
    failed.sandbox.client("lambda").put_function_concurrency(
        FunctionName=ingestion, ReservedConcurrentExecutions=7
    )

    outcome = recover.fn(failed.environment, watch_minutes=0, request=PAST)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "Take prod offline: done and verified" in outcome.reason
    assert capacity(failed) == {"ingestion": 0, "analysis": 0, "dashboard": 0}
    assert answered(failed) == 429

    refused = recover.fn(failed.environment, watch_minutes=0, request=PAST)
    assert refused.ending is Ending.REFUSED
    assert "reopen" in refused.hint
    assert capacity(failed) == {"ingestion": 0, "analysis": 0, "dashboard": 0}

    failed.prove(1, 2)
    back = recover.fn(failed.environment, watch_minutes=0, reopen=True)
    assert back.ending is Ending.RECOVERED, back.reason
    assert capacity(failed) == {"ingestion": 7, "analysis": None, "dashboard": None}
    assert failed.runs(2)
    assert answered(failed) == 401  # it asks for the key again


def test_nobody_is_taken_offline_without_two_people(
    failed: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is a no: everything takes calls as before."""
    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "1")
    settings.cache_clear()

    outcome = recover.fn(failed.environment, watch_minutes=0)

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "offline"
    assert capacity(failed) == {"ingestion": None, "analysis": None, "dashboard": None}
    assert steps(outcome) == []


def test_what_somebody_else_closed_is_not_guessed(failed: Production) -> None:
    """How many calls a function took before is known or asked."""
    ingestion = failed.sandbox.place("prod").function("ingestion")
    failed.sandbox.client("lambda").put_function_concurrency(
        FunctionName=ingestion, ReservedConcurrentExecutions=0
    )

    outcome = recover.fn(failed.environment, watch_minutes=0, reopen=True)

    assert outcome.ending is Ending.REFUSED
    assert "Nobody knows how many calls" in outcome.reason
    assert capacity(failed)["ingestion"] == 0


def test_a_healthy_service_is_left_alone(fresh_sandbox: Sandbox, own_home: Path) -> None:
    """Nothing to do."""
    production = Production.of(fresh_sandbox)
    production.prove(1, 2)
    before = production.everything()

    outcome = recover.fn(production.environment)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert production.everything() == before
