"""Tests before production that failed, on the practice sandbox: its GitHub, its tables, its secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows.preprod_test_failure import recover
from rules.outcomes import Ending
from rules.workflow_runs import RunLook, RunStatus
from sandbox import failed_tests, faults
from sandbox.failed_tests import BROKEN_CODE, INNOCENT, LEFT, POLLUTED, RUN, THROTTLED
from sandbox.world import Sandbox
from tasks.workflow_runs import workflow_run
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """Preprod, healthy, and an empty ledger."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    yield Environment(**yaml.safe_load(text))
    fresh_sandbox.reset()


def sources(sandbox: Sandbox) -> list[str]:
    """Whose items are in the table, sorted."""
    found = sandbox.client("dynamodb").scan(TableName=sandbox.place("preprod").table)["Items"]
    return sorted(item["source_id"]["S"] for item in found)


def attempts(sandbox: Sandbox) -> list[str | None]:
    """How each attempt of the run ended."""
    return [attempt["conclusion"] for attempt in sandbox.github.attempts(RUN)]


def test_it_cleans_up_and_runs_the_failed_jobs_again(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """Exactly the run's items are gone, a copy is kept, only the failed job ran again, and it passed."""
    faults.start(fresh_sandbox, "failed-preprod-tests", "preprod")

    outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert sources(fresh_sandbox) == sorted(f"collected-{number}" for number in range(INNOCENT))
    assert attempts(fresh_sandbox) == ["failure", "success"]
    assert fresh_sandbox.github.attempts(RUN)[1]["jobs"] == ["test-preprod"]
    table = fresh_sandbox.place("preprod").table
    assert steps(outcome) == [
        ("keep_polluted", table, "changed"),
        ("delete_polluted", table, "changed"),
        ("rerun", f"run {RUN}", "changed"),
    ]
    assert outcome.plan
    assert f"{table}: {LEFT} of {LEFT + INNOCENT} items are the run's" in outcome.plan.reasons


def test_a_job_may_fail_before_its_run_ends(
    preprod: Environment, fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook tells of the job while the run goes on: its end is waited for, and then it is as ever."""
    faults.start(fresh_sandbox, "failed-preprod-tests", "preprod")
    looks: list[RunLook] = []

    def not_yet(environment: Environment, run: int) -> RunLook:
        look: RunLook = workflow_run(environment, run)
        looks.append(look)
        going_on = look.run.model_copy(update={"status": RunStatus.IN_PROGRESS, "conclusion": ""})
        return look.model_copy(update={"run": going_on}) if len(looks) < 3 else look

    monkeypatch.setattr("tasks.run_watching.workflow_run", not_yet)
    outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert attempts(fresh_sandbox) == ["failure", "success"]


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(
    preprod: Environment, fresh_sandbox: Sandbox, own_home: Path
) -> None:
    """Its plan has the digest of the one that is then acted on; nothing is kept, deleted or run again."""
    faults.start(fresh_sandbox, "failed-preprod-tests", "preprod")
    before = sources(fresh_sandbox)

    rehearsed = recover.fn(preprod, RUN, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert sources(fresh_sandbox) == before
    assert attempts(fresh_sandbox) == ["failure"]
    assert not (own_home / "kept").exists()
    real = recover.fn(preprod, RUN)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_broken_code_is_left_to_its_author(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """Nothing to do here: the failing test is named with what it said; the run is not run again."""
    failed_tests.plant(fresh_sandbox, {"test_items_preprod::test_score": BROKEN_CODE})

    outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.NOTHING_TO_DO
    assert "test_items_preprod::test_score" in outcome.reason
    assert "assert 'negative' == 'positive'" in outcome.reason
    assert attempts(fresh_sandbox) == ["failure"]


def test_broken_code_leaves_clean_tables(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """What such a run left is cleaned up, and it is not run again."""
    failed_tests.plant(fresh_sandbox, {"test_items_preprod::test_score": BROKEN_CODE})
    failed_tests.leave_items(fresh_sandbox, "preprod")

    outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert sources(fresh_sandbox) == sorted(f"collected-{number}" for number in range(INNOCENT))
    assert attempts(fresh_sandbox) == ["failure"]
    assert outcome.plan
    assert "it stays failed" in outcome.plan.expected


def test_what_is_still_broken_is_not_tried_again(
    preprod: Environment, fresh_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret that cannot be read keeps the tests from passing: a person is told which, and never its value."""
    secret = fresh_sandbox.place("preprod").secret
    value = fresh_sandbox.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    failed_tests.plant(fresh_sandbox, {"test_items_preprod::test_score": THROTTLED})
    faults.start(fresh_sandbox, "deleted-secret", "preprod")

    with caplog.at_level(logging.INFO):
        outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert secret in outcome.reason
    assert attempts(fresh_sandbox) == ["failure"]
    assert value not in caplog.text + outcome.model_dump_json()


def test_older_code_is_not_put_over_newer(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """A newer run of the same workflow is there: what the old one left goes, and it is not run again."""
    faults.start(fresh_sandbox, "failed-preprod-tests", "preprod")
    fresh_sandbox.github.plant_run(ago=60, sha="8" * 40, old=True)

    outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert attempts(fresh_sandbox) == ["failure"]
    assert sources(fresh_sandbox) == sorted(f"collected-{number}" for number in range(INNOCENT))


@pytest.mark.parametrize(
    "given", [{"ago": 600.0}, {"jobs": [{"name": "t", "steps": [{"name": "s", "seconds": None}]}]}]
)
def test_a_run_that_passed_or_still_runs_is_left_alone(
    preprod: Environment, fresh_sandbox: Sandbox, given: dict[str, object]
) -> None:
    """Nothing to do, or refused until it has ended; its items stay."""
    fresh_sandbox.github.plant_run(id=RUN, old=True, **given)
    failed_tests.leave_items(fresh_sandbox, "preprod")
    before = sources(fresh_sandbox)

    outcome = recover.fn(preprod, RUN)

    assert outcome.ending in (Ending.NOTHING_TO_DO, Ending.REFUSED)
    assert steps(outcome) == []
    assert sources(fresh_sandbox) == before


def test_an_unknown_run_is_refused(preprod: Environment) -> None:
    """One clear error, and nothing is changed."""
    outcome = recover.fn(preprod, 4242)

    assert outcome.ending is Ending.REFUSED
    assert "4242" in outcome.reason


def test_more_than_half_a_table_needs_a_person(
    preprod: Environment, fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers: nothing is deleted, nothing is run again."""
    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "1")
    settings.cache_clear()
    monkeypatch.setattr(failed_tests, "INNOCENT", LEFT - 1)
    failed_tests.plant(fresh_sandbox, {"test_items_preprod::test_store": POLLUTED})
    failed_tests.leave_items(fresh_sandbox, "preprod")
    before = sources(fresh_sandbox)

    outcome = recover.fn(preprod, RUN)

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert sources(fresh_sandbox) == before
    assert attempts(fresh_sandbox) == ["failure"]
