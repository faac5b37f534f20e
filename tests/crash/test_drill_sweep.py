"""A drill that is killed leaves its fault to the janitor, which undoes it: the world is as it was before."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto.server import ThreadedMotoServer

from blocks.environment import Environment
from blocks.settings import settings
from flows._drill_janitor import finish_drills
from ledger.cases import now
from ledger.database import forget_opened, open_ledger
from tests.crash.sweep import Start, forkserver, run
from tests.flows.drill_world import NAME, ROUTES, DrillWorld

MOST_LOOKS = 5
ALL, SAMPLE, SEED = bool(os.getenv("BACKSTOP_SWEEP")), 2, 20260131

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def drill_and_answer(told: dict[str, Any]) -> object:
    """Drill; as soon as the fault is there, an incident answers it, in the same process: it dies as well."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.rollback_drill import rollback_drill
    from ledger.database import unwatch_boundaries, watch_boundaries

    environment = Environment.model_validate(told)

    def answer(moment: str, what: str) -> None:
        if (moment, what) == ("after", "drill: injected"):
            unwatch_boundaries(answer)
            DrillWorld.there(environment).recover()

    watch_boundaries(answer)
    with temporary_settings(
        {PREFECT_API_URL: "http://127.0.0.1:9/api"}
    ):  # a drill asks no more than where it is
        return rollback_drill.fn(environment).grade


class Drilled:
    """A service on an AWS that outlives the drill."""

    def __init__(self, home: Path, address: str) -> None:
        self.home, self._address = home, address
        self.world = self._fresh()

    def _fresh(self) -> DrillWorld:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        (self.home / "environments").mkdir(parents=True)
        settings.cache_clear()
        world = DrillWorld.made(self._address)
        told = world.environment.model_dump(mode="json", exclude_none=True)
        (self.home / "environments" / f"{NAME}.yaml").write_text(yaml.safe_dump(told))
        (self.home / "routes.yaml").write_text(yaml.safe_dump(ROUTES))
        return world

    def break_it(self) -> None:
        """As new, with an empty ledger."""
        self.world = self._fresh()

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        told = self.world.environment.model_dump(mode="json", exclude_none=True)
        return drill_and_answer, (told,), {}

    def ended_well(self, outcome: object) -> bool:
        return outcome == "pass"

    def state(self) -> object:
        return self.world.runs("good")

    def twice(self) -> list[str]:
        return []

    def left_behind(self) -> list[str]:
        return finish_drills()


@pytest.fixture
def drilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drilled]:
    """A world of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    home = tmp_path / "world"
    host, port = server.get_host_and_port()
    for name, value in {
        "BACKSTOP_HOME": str(home),
        "BACKSTOP_ENVIRONMENTS": str(home / "environments"),
        "BACKSTOP_WEBHOOK_ROUTES": str(home / "routes.yaml"),
        "BACKSTOP_DELAY_SCALE": "0.02",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield Drilled(home, f"http://{host}:{port}")
    server.stop()


def test_whatever_a_drill_dies_at_the_janitor_leaves_the_world_as_before(drilled: Drilled) -> None:
    """Killed at a journal step, it is ended as inconclusive, its fault is gone, and nothing is left to do."""
    context = forkserver()
    drilled.break_it()
    whole = run(context, drilled)
    assert drilled.ended_well(whole.outcome), (drilled.home / "told" / "output").read_text()
    assert drilled.left_behind() == []
    points = [n for n, what in enumerate(whole.crossed) if what != "before drill: opened"]
    assert {"after drill: intent", "before drill: injected", "before drill: undone"} <= set(whole.crossed)
    chosen = points if ALL else sorted(random.Random(SEED).sample(points, SAMPLE))

    for number in chosen:
        drilled.break_it()
        death = run(context, drilled, number)
        assert death.exit_code == -signal.SIGKILL, f"boundary {number} was not reached: {death}"
        where = death.crossed[-1]
        for _ in range(MOST_LOOKS):  # on a busy machine one look may not get its answers in time
            if not finish_drills():
                break
        [row] = drilled.world.rows()
        assert drilled.world.runs("good"), f"after a death at «{where}» the fault is there still"
        assert row.ended_at, where
        assert row.grade == (
            "pass" if where.endswith(("drill: told", "after drill: ended")) else "inconclusive"
        )
        assert finish_drills() == [], where
        with open_ledger().reading() as session:
            from ledger import drills

            assert drills.not_ended(session) == ""
            assert drills.unfinished(session, now()) == []
