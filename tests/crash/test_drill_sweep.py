"""A drill that is killed leaves its fault to the janitor, which undoes it: the world is as it was before.

`make test` kills the cheapest drill once; `BACKSTOP_SWEEP=all` kills a drill of each fault at each of its boundaries.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from moto.server import ThreadedMotoServer
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey

from blocks.environment import Environment
from blocks.settings import settings
from flows._drill_janitor import finish_drills
from ledger import drills
from ledger.cases import now
from ledger.database import _cross, forget_opened, open_ledger
from ledger.drill_rows import DrillRow
from ledger.holders import this_process
from ledger.incidents import Opening, close_case, decide_ending, open_case
from ledger.models import AlarmRow
from rules.outcomes import Ending
from tests.crash import drill_places
from tests.crash.drill_places import DrillPlace
from tests.crash.sweep import Start, forkserver, run
from tests.flows.janitor_world import JanitorWorld

MOST_LOOKS = 5
ALL, SEED = bool(os.getenv("BACKSTOP_SWEEP")), 20260131
FAULTS = [
    "broken-release",
    "alarm-only",
    "polluted-table",
    "wrong-queue",
    "held-lock",
    "killed-gateway",
    "corrupted-redis",
]
CHANGES = ("Delete", "Publish", "Put", "Send", "Set", "Update")
"""How the AWS calls begin that change something: a drill is killed after each, too."""
SWEPT = FAULTS if ALL else FAULTS[:1]

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def drill_and_answer(told: dict[str, Any], scenario: str, server: str) -> object:
    """Drill; once the fault is there, its alarm is delivered and an incident answers it, in the same process.

    It dies as well. It mends nothing, so that the fault is there until it is undone.
    """
    from botocore.client import BaseClient
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from redis.client import Pipeline

    from flows import _drill_word
    from flows.rollback_drill import rollback_drill
    from ledger.database import unwatch_boundaries, watch_boundaries

    environment = Environment.model_validate(told)

    def handle() -> None:
        with open_ledger().session() as session:
            session.add(
                AlarmRow(
                    id="alm-1", source="sns", external_id="1", received_at=now(), name=drill_places.ALARM,
                    status="alarm", scenario=scenario, environment=environment.name, state="stored", body={},
                )
            )  # fmt: skip
        opening = Opening(scenario, environment.name, environment.tier.value, 300, alarm_id="alm-1")
        case = open_case(open_ledger(), opening, this_process(), 30)
        decide_ending(case, Ending.RECOVERED, "as the test says", "")
        close_case(case)

    def answer(moment: str, what: str) -> None:
        if (moment, what) == ("after", "drill: injected"):
            unwatch_boundaries(answer)
            handle()

    asked = _drill_word.ask

    def ask(place: Environment, drill: str) -> bool:
        done = asked(place, drill)
        handle()
        return done

    aws: Any = vars(BaseClient)["_make_api_call"]
    redis = Pipeline.execute

    def call(client: BaseClient, operation: str, told: dict[str, Any]) -> Any:
        done = aws(client, operation, told)
        if operation.startswith(CHANGES):
            _cross("after", operation)
        return done

    def execute(pipe: Any, *words: Any, **more: Any) -> Any:
        done = redis(pipe, *words, **more)
        _cross("after", "commands of Redis")
        return done

    word = {"data_damaged_since": "2026-03-01T00:00:00Z"}
    with ExitStack() as patches:
        if server == drill_places.UNKNOWN_SERVER:
            watch_boundaries(answer)
        else:
            patches.enter_context(patch("flows._drill_watch.ask", ask))
            patches.enter_context(patch("flows._drill_word.word_for", lambda *_: word))
        patches.enter_context(patch.object(BaseClient, "_make_api_call", call))
        patches.enter_context(patch.object(Pipeline, "execute", execute))
        # What nobody mends stays broken, however often it is looked at.
        patches.enter_context(patch("flows._drill_watch._MOST_LOOKS", 1))
        patches.enter_context(temporary_settings({PREFECT_API_URL: server}))
        return rollback_drill.fn(environment).grade


class Drilled:
    """A place that outlives its drills, and a ledger that is new for each."""

    def __init__(self, home: Path, place: DrillPlace) -> None:
        self.home, self.place = home, place
        self.variables = {
            **place.variables,
            "BACKSTOP_HOME": str(home),
            "BACKSTOP_ENVIRONMENTS": str(home / "environments"),
            "BACKSTOP_WEBHOOK_ROUTES": str(home / "routes.yaml"),
            "BACKSTOP_DELAY_SCALE": "0.02",
        }
        self.environment: Environment
        self.before: object = None

    def break_it(self) -> None:
        """As new, with an empty ledger."""
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "environments").mkdir(parents=True)
        settings.cache_clear()
        self.environment = self.place.fresh()
        told = self.environment.model_dump(mode="json", exclude_none=True)
        (self.home / "environments" / f"{self.environment.name}.yaml").write_text(yaml.safe_dump(told))
        (self.home / "routes.yaml").write_text(yaml.safe_dump(self.place.routes(self.environment)))
        self.before = self.place.state()

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        told = self.environment.model_dump(mode="json", exclude_none=True)
        return drill_and_answer, (told, self.place.scenario, self.place.server), self.variables

    def ended_well(self, outcome: object) -> bool:
        # The incident mends nothing: a drill that broke something says so.
        return outcome == ("pass" if self.place.fault == "alarm-only" else "fail")

    def state(self) -> object:
        return self.place.state()

    def twice(self) -> list[str]:
        return []

    def left_behind(self) -> list[str]:
        return finish_drills()

    def row(self) -> DrillRow:
        """The drill that was begun."""
        with open_ledger().reading() as session:
            [row] = drills.listed(session)
        return row


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[DrillPlace]:
    """Where the fault is brought about."""
    need, fault = request.getfixturevalue, request.param
    if fault == "wrong-queue":
        yield drill_places.WrongQueue(need("qa_sandbox"))
    elif fault == "held-lock":
        yield drill_places.HeldLock(need("sandbox"))
    elif fault in ("killed-gateway", "corrupted-redis"):
        of_stack = {"killed-gateway": drill_places.KilledGateway, "corrupted-redis": drill_places.LostKeys}
        yield of_stack[fault](need("docker_stack"))
    else:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        if fault == "polluted-table":
            yield drill_places.PollutedTable(address, need("prefect_server"))
        else:
            yield (drill_places.SetAlarm if fault == "alarm-only" else drill_places.BadRelease)(address)
        server.stop()


@pytest.fixture
def drilled(place: DrillPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drilled]:
    """A world of its own, which the server knows where it is asked for a recovery."""
    drilled = Drilled(tmp_path / "world", place)
    for name, value in drilled.variables.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    drilled.break_it()
    if place.server == drill_places.UNKNOWN_SERVER:
        yield drilled
        return
    with get_client(sync_client=True) as client:
        known = JanitorWorld(client, open_ledger(), drilled.environment, tmp_path / "board")
        known.deploy(place.scenario)
        yield drilled
        known.tidy()


@pytest.mark.parametrize("place", SWEPT, indirect=True)
@pytest.mark.timeout(3600 if ALL else 120)
def test_whatever_a_drill_dies_at_the_janitor_leaves_the_world_as_before(drilled: Drilled) -> None:
    """Killed at a journal step, it is ended as inconclusive, its fault is gone, and nothing is left to do."""
    context = forkserver()
    whole = run(context, drilled)
    assert drilled.ended_well(whole.outcome), (drilled.home / "told" / "output").read_text()
    assert drilled.state() == drilled.before
    assert drilled.left_behind() == []
    points = [n for n, what in enumerate(whole.crossed) if what != "before drill: opened"]
    assert {"after drill: intent", "before drill: injected", "before drill: undone"} <= set(whole.crossed)
    chosen = points if ALL else [random.Random(SEED).choice(points)]

    for number in chosen:
        _survive(context, drilled, number)
    sys.stdout.write(f"{drilled.place.fault}: {len(chosen)} of {len(points)} boundaries\n")


def _survive(context: ForkServerContext, drilled: Drilled, number: int) -> None:
    drilled.break_it()
    death = run(context, drilled, number)
    assert death.exit_code == -signal.SIGKILL, f"boundary {number} was not reached: {death}"
    where = death.crossed[-1]
    for _ in range(MOST_LOOKS):  # on a busy machine one look may not get its answers in time
        if not finish_drills():
            break
    row = drilled.row()
    assert drilled.state() == drilled.before, f"after a death at «{where}» the world is another"
    assert row.ended_at, where
    graded = "after drill: ended" in death.crossed
    assert drilled.ended_well(row.grade) if graded else row.grade == "inconclusive", where
    assert finish_drills() == [], where
    assert _waiting(drilled, row.id) == [], f"after a death at «{where}» a run would begin still"
    with open_ledger().reading() as session:
        assert drills.not_ended(session) == ""
        assert drills.unfinished(session, now()) == []


def _waiting(drilled: Drilled, drill: str) -> list[str]:
    """Runs that the drill asked for and that have not ended."""
    if drilled.place.server == drill_places.UNKNOWN_SERVER:
        return []
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[drill]))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=wanted)
    return [run.name for run in found if run.state is None or not run.state.is_final()]
