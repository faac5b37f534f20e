"""The janitor may die as well: whatever it was killed at, the next look finishes, and nothing is asked for twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from sqlalchemy import select

from ledger import escalations
from ledger.cases import now
from ledger.database import forget_opened, open_ledger
from ledger.models import AlarmRow
from tests.crash.sweep import Start, forkserver, run, survive
from tests.flows.janitor_world import JanitorWorld, fresh_name
from tests.switchboard import make_environment, wire

ALL, SAMPLE, SEED = bool(os.getenv("BACKSTOP_SWEEP")), 2, 20260131
ALARMED = "canary-failure"

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def look(api: str) -> object:
    """Look once, as the schedule does every minute."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.resume import resume

    with temporary_settings({PREFECT_API_URL: api}):
        return resume.fn().problems


class LeftLying:
    """A dead incident, a level that is due and that nobody pages, and an alert whose webhook was lost."""

    def __init__(self, janitor: JanitorWorld, home: Path, alerts: list[dict[str, Any]], ask: str) -> None:
        self.janitor, self.home, self._alerts, self._ask = janitor, home, alerts, ask
        self.alarmed = janitor.deploy(ALARMED)
        self._before = 0, 0

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.janitor.ledger = open_ledger(f"sqlite:///{self.home / 'ledger.db'}")
        dead = self.janitor.asked_run()
        self._incident = self.janitor.died(dead).incident_id
        with self.janitor.ledger.session() as session:
            escalations.plan_level(session, self._incident, 1, "on-call", now() - timedelta(minutes=1))
        labels = {"alertname": "Down", "number": uuid.uuid4().hex}
        self._alerts[:] = [{"labels": labels, "startsAt": now().isoformat(), "fingerprint": labels["number"]}]
        (self.home / "routes.yaml").write_text(yaml.safe_dump(self._routes()))
        self._before = len(self.janitor.runs()), len(self.janitor.runs(self.alarmed))

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {
            "BACKSTOP_HOME": str(self.home),
            "BACKSTOP_WEBHOOK_ROUTES": str(self.home / "routes.yaml"),
        }
        return look, (str(self.janitor.client.api_url),), settings

    def ended_well(self, outcome: object) -> bool:
        return outcome == ()

    def state(self) -> object:
        """How many runs were asked for, and what the ledger says of them."""
        taken, alarmed = self.janitor.runs(), self.janitor.runs(self.alarmed)
        with self.janitor.ledger.reading() as session:
            rows = session.scalars(select(AlarmRow)).all()
            levels = escalations.of_incident(session, self._incident)
            told = [(row.state, row.flow_run_id == str(alarmed[-1].id)) for row in rows]
            pages = [str(page.id) for page in self.janitor.pages(self._incident)]
            paged = [level.flow_run_id in pages for level in levels]
        return len(taken) - self._before[0], len(alarmed) - self._before[1], len(pages), told, paged

    def twice(self) -> list[str]:
        taken, alarmed = self.janitor.runs(), self.janitor.runs(self.alarmed)
        more = len(taken) - self._before[0] - 1, len(alarmed) - self._before[1] - 1
        return [str(more)] if any(number > 0 for number in more) else []

    def left_behind(self) -> list[str]:
        with self.janitor.ledger.reading() as session:
            return [row.name for row in session.scalars(select(AlarmRow)) if row.state == "stored"]

    def _routes(self) -> dict[str, Any]:
        token = {"source": "environment", "name": "UNUSED"}
        route = {"alarm": "*", "source": "am", "scenario": ALARMED, "environment": self.janitor.name}
        return {
            "environments": {self.janitor.name: {}},
            "senders": {"am": {"format": "alertmanager", "token": token, "ask": self._ask}},
            "routes": [route],
        }


@pytest.fixture
def world(prefect_server: str, tmp_path: Path) -> Iterator[LeftLying]:
    """What was left lying on the session's server."""
    alerts: list[dict[str, Any]] = []

    class Alertmanager(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(alerts).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Alertmanager)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with get_client(sync_client=True) as client:
        board = wire(tmp_path / "board")
        janitor = JanitorWorld(client, open_ledger(), make_environment(fresh_name()), board)
        yield LeftLying(janitor, tmp_path / "world", alerts, f"http://127.0.0.1:{server.server_address[1]}")
        janitor.tidy()
    server.shutdown()
    server.server_close()


def test_whatever_the_janitor_dies_at_the_next_look_finishes(world: LeftLying) -> None:
    """One run takes the dead incident up, one pages, one answers the alert: as if nobody had been killed."""
    context = forkserver()
    world.break_it()
    whole = run(context, world)
    assert world.ended_well(whole.outcome), (world.home / "told" / "output").read_text()
    wanted, points = world.state(), range(len(whole.crossed))
    assert wanted == (1, 1, 1, [("dispatched", True)], [True])
    asked = {"after store alarms", "after place alarms", "after run asked for", "after a level's run"}
    assert asked < set(whole.crossed)
    chosen = points if ALL else sorted(random.Random(SEED).sample(points, SAMPLE))

    for number in chosen:
        survive(context, world, number, wanted)
