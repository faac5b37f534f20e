"""A drill damages items of a table, says so as a person would, and the recovery puts them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun

from blocks.environment import Environment
from blocks.settings import settings
from flows import _drill_run
from flows._drill_janitor import finish_drills
from flows._ladder import Request
from flows._release_memory import record
from flows.rollback_drill import rollback_drill
from flows.rollback_failure import recover
from ledger import drills
from ledger.database import open_ledger
from rules.drills import FaultName
from rules.errors import RecoveryRefused
from rules.outcomes import Ending, Verdict
from sandbox.damaged_data import WHOLE, item
from sandbox.world import Sandbox
from tests.flows.drill_world import DrillWorld, make_table, meanwhile, time_is_over
from tests.flows.janitor_world import JanitorWorld, fresh_name
from tests.tasks.lambda_service import REGION

SCENARIO, TABLE = "rollback-failure", "practice-items"
DAMAGED = 10


def allowed(place: Environment, table: str, **platform: Any) -> Environment:
    """The environment under a name of its own, with this drill alone."""
    told = place.model_dump()
    told |= {"name": fresh_name(), "drills": {"allowed": [{"fault": "polluted-table", "table": table}]}}
    return Environment.model_validate(told | {"platform": told["platform"] | platform})


@pytest.fixture
def register(
    prefect_server: str, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Environment], None]]:
    """Register the recovery and an environment with the server."""
    (own_home / "environments").mkdir()
    monkeypatch.setenv("BACKSTOP_ENVIRONMENTS", str(own_home / "environments"))
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    settings.cache_clear()
    made: list[JanitorWorld] = []
    with get_client(sync_client=True) as client:

        def registered(place: Environment) -> None:
            written = place.model_dump(mode="json", exclude_none=True)
            (own_home / "environments" / f"{place.name}.yaml").write_text(yaml.safe_dump(written))
            made.append(JanitorWorld(client, open_ledger(), place, own_home / "board"))
            made[-1].deploy(SCENARIO)

        yield registered
        for each in made:
            each.tidy()


def asked_runs() -> list[FlowRun]:
    """The runs that the newest drill has asked for."""
    with open_ledger().reading() as session:
        rows = drills.listed(session, most=1)
    if not rows:
        return []
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[rows[0].id]))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=wanted)


def when_asked(then: Callable[[FlowRun], object]) -> AbstractContextManager[None]:
    """Do something with the run that a drill asks for, once it has."""
    return meanwhile(lambda: next(iter(asked_runs()), None), then, 0.2)


@pytest.fixture
def practised(
    fresh_sandbox: Sandbox, register: Callable[[Environment], None], monkeypatch: pytest.MonkeyPatch
) -> Environment:
    """The sandbox's preprod, whose table holds items."""
    for name, value in fresh_sandbox.variables().items():
        if name != "BACKSTOP_ENVIRONMENTS":
            monkeypatch.setenv(name, value)
    table = fresh_sandbox.place("preprod").table
    for number in range(WHOLE):
        fresh_sandbox.client("dynamodb").put_item(TableName=table, Item=item(number, "a good day"))
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    place = allowed(Environment(**yaml.safe_load(text)), table)
    code = {f.name: "0" * 64 for f in place.lambda_platform.functions}
    record(place, fresh_sandbox.release(2), Verdict.PASS, code, "the test")
    register(place)
    fresh_sandbox.wait_until_green("preprod")
    return place


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_recovery_puts_the_drills_items_back(practised: Environment, fresh_sandbox: Sandbox) -> None:
    """It is asked for with the moment before the first was damaged, and finds them damaged; then all is as before."""
    client, table = fresh_sandbox.client("dynamodb"), fresh_sandbox.place("preprod").table

    def held() -> dict[str, Any]:
        return {each["source_id"]["S"]: each for each in client.scan(TableName=table)["Items"]}

    before, seen = held(), []

    def answer(run: FlowRun) -> None:
        seen.append(sum("text" not in each for each in held().values()))
        told = run.parameters
        request = Request(**told["request"]).model_copy(update={"break_glass": "nobody is there to ask"})
        since = datetime.fromisoformat(told["data_damaged_since"])
        outcome = recover.fn(practised, watch_minutes=0, data_damaged_since=since, request=request)
        assert outcome.ending is Ending.RECOVERED, outcome.reason
        assert outcome.plan
        assert outcome.plan.rung == "restore"

    with when_asked(answer):
        done = rollback_drill.fn(practised)

    assert seen == [DAMAGED]
    assert done.grade is Verdict.PASS, done.reasons
    assert held() == before


@pytest.fixture
def unknown(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DrillWorld]:
    """A small service with a table; the server knows nothing of its recovery."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        made = DrillWorld.made()
        make_table(TABLE, ["good"] * 3)
        tables = [{"name": TABLE, "hash_key": "source_id"}]
        made.environment = allowed(made.environment, TABLE, tables=tables)
        yield made


@pytest.fixture
def world(unknown: DrillWorld, register: Callable[[Environment], None]) -> DrillWorld:
    """The same, and the server knows it."""
    register(unknown.environment)
    return unknown


def texts() -> list[str]:
    """What every item of the table holds."""
    found = boto3.client("dynamodb", REGION).scan(TableName=TABLE)["Items"]
    return [each.get("text", {}).get("S", "missing") for each in found]


def test_a_run_that_was_asked_for_and_never_began_is_cancelled(
    world: DrillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the drill is over, its items are as before: a restore that begins later would take away what came since."""
    monkeypatch.setattr(
        "flows._drill_word.word_for", lambda *_: {"data_damaged_since": "2026-03-01T00:00:00Z"}
    )
    states = []

    def answer(run: FlowRun) -> None:
        states.append((run.state_name, texts()))
        time_is_over(world)

    with when_asked(answer):
        done = rollback_drill.fn(world.environment)

    assert states == [("Scheduled", ["missing"] * 3)]
    assert (done.grade, texts()) == (Verdict.INCONCLUSIVE, ["good"] * 3)
    assert [run.state_name for run in asked_runs()] == ["Cancelled"]
    assert finish_drills() == []


def test_where_the_server_does_not_answer_it_is_not_undone_yet(
    world: DrillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The items are given back at once; the janitor goes on until no run is left that would restore them."""
    with monkeypatch.context() as patch:
        patch.setattr(_drill_run, "wait_for_recovery", lambda *_: (None, "stopped: as the test says"))
        patch.setattr("prefect.client.orchestration.SyncPrefectClient.read_flow_runs", lambda *_, **__: 1 / 0)
        done = rollback_drill.fn(world.environment, fault=FaultName.POLLUTED_TABLE)

    assert texts() == ["good"] * 3
    assert "could not be undone" in "; ".join(done.reasons)
    assert ["undone" in line for line in finish_drills()] == [True]
    assert world.rows()[0].undone_at


def test_nothing_is_damaged_where_nobody_could_be_asked(unknown: DrillWorld) -> None:
    """The recovery is not registered with the server: its drill may not begin."""
    with pytest.raises(RecoveryRefused, match="not registered"):
        rollback_drill.fn(unknown.environment)

    assert (texts(), unknown.rows()) == (["good"] * 3, [])
