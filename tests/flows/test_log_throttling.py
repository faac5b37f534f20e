"""Logs that AWS throttled are read again: all of them, each event once, also after a death."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.settings import settings
from flows.log_throttling import recover
from rules.outcomes import Ending
from sandbox import wires
from sandbox.aws_front import Rule
from sandbox.kit_reading import THROTTLED_RUN
from sandbox.kit_runs import start
from sandbox.test_kit.place import LOG_GROUPS, KitPlace
from sandbox.world import Sandbox
from tests.flows.kit_world import KitWorld, steps

pytestmark = [pytest.mark.slow]


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa before anything happens."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.5")
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


@pytest.fixture
def asked(world: KitWorld) -> Iterator[list[dict[str, Any]]]:
    """The log queries that Backstop sends from now on, as they were asked."""
    queries: list[dict[str, Any]] = []
    events = world.environment.aws.client("logs", write_once=True).meta.events

    def note(params: dict[str, Any], **_: Any) -> None:
        queries.append(json.loads(params["body"]))

    events.register("before-call.cloudwatch-logs.FilterLogEvents", note, unique_id="asked")
    yield queries
    events.unregister("before-call.cloudwatch-logs.FilterLogEvents", unique_id="asked")


def test_throttled_logs_are_read_to_their_end(world: KitWorld, asked: list[dict[str, Any]]) -> None:
    """While AWS goes on throttling: every event that it has is in the run's logs, once; then there is nothing to do."""
    world.fault("throttled-run")
    assert world.read().logs[0] > 0

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.read().logs == (0, 0)
    assert {query["logGroupName"] for query in asked} == set(LOG_GROUPS)
    assert outcome.plan
    assert "its quota cannot be read, 5 is usual" in outcome.plan.reasons[0]
    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO


def test_a_reading_that_failed_goes_on_where_it_stood(
    world: KitWorld, asked: list[dict[str, Any]], own_home: Path
) -> None:
    """AWS refuses for good half way: what was read is kept, and only the rest is asked for the next time."""
    world.place.configure(ITK_LOG_GROUPS=LOG_GROUPS[0])
    world.fault("throttled-run")
    wires.without_rules(THROTTLED_RUN)(world.sandbox, "qa")
    call = "logs.FilterLogEvents"
    gone = Rule(call, "error", code="ThrottlingException", message="Rate exceeded")
    wires.with_rules("gone", Rule(call, "delay", times=2), gone)(world.sandbox, "qa")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
        settings.cache_clear()
        failed = recover.fn(world.environment)
    wires.without_rules("gone")(world.sandbox, "qa")
    settings.cache_clear()
    assert failed.ending is Ending.NOT_RECOVERED, failed.reason
    assert "still refuses" in failed.reason
    kept = " ".join(path.name for path in (own_home / "logs").rglob("*.jsonl"))
    assert kept
    asked.clear()

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.read().logs == (0, 0)
    *read_again, _newest = asked
    assert read_again
    assert not [query for query in read_again if f"-{query['startTime']}-" in kept]
    assert list((own_home / "logs").rglob("*.jsonl")) == []


def test_a_rehearsal_reads_nothing(world: KitWorld, asked: list[dict[str, Any]]) -> None:
    """The plan says which groups and how fast; no log is read."""
    world.fault("throttled-run")
    before = world.read()

    rehearsed = recover.fn(world.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert asked == []
    assert world.read() == before
    real = recover.fn(world.environment)
    assert real.plan
    assert rehearsed.plan
    assert real.plan.digest == rehearsed.plan.digest


def test_a_run_that_read_everything_is_nothing_to_do(world: KitWorld) -> None:
    """Nor is one whose logs are asked for again left without them."""
    start(world.place, THROTTLED_RUN, "--count", "3").wait(timeout=60)

    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO
    (world.place.artifacts / THROTTLED_RUN / "logs.jsonl").unlink()
    outcome = recover.fn(world.environment, read_again=True)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.read().logs == (0, 0)
    assert steps(outcome) == {("read_logs_again", "changed"): 1}


def test_a_group_that_is_not_there_is_told(world: KitWorld) -> None:
    """A misspelt group cannot be read: a person is told which, and the run's own logs stay."""
    world.place.configure(ITK_LOG_GROUPS="/qa/misspelt")
    world.fault("throttled-run")
    before = (world.place.artifacts / THROTTLED_RUN / "run.json").read_bytes()

    outcome = recover.fn(world.environment, read_again=True)

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "/qa/misspelt" in outcome.reason
    assert (world.place.artifacts / THROTTLED_RUN / "run.json").read_bytes() == before


def test_the_runbooks_quota_is_not_told(world: KitWorld) -> None:
    """`get-service-quota --quota-code L-32C48598`: there is none of that code; ours asks by name, and does without."""
    from botocore.exceptions import ClientError

    quotas = world.place.client("service-quotas")

    with pytest.raises(ClientError, match="NoSuchResource"):
        quotas.get_service_quota(ServiceCode="logs", QuotaCode="L-32C48598")
