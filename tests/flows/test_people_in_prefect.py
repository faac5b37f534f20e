"""What people see in Prefect: runs that page in time and are taken back, and an incident's artifacts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from moto import mock_aws
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from blocks.environment import Environment
from flows import _escalations
from flows.escalate import escalate
from ledger import approvals, escalations
from ledger.cases import now
from ledger.database import Ledger, open_ledger
from ledger.incidents import listed
from ledger.models import EscalationRow, PlanRow
from rules.approvals import Answer, Decision
from rules.outcomes import Ending
from rules.severity import Destructiveness, Tier
from tests.switchboard import make_environment, recover, wire

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

LEVELS = {"levels": [{"after_seconds": 3000, "name": "on-call"}, {"after_seconds": 6000, "name": "lead"}]}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account to ask who we are; every pause is short."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    settings.cache_clear()
    with mock_aws():
        yield


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    """The server's client."""
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def pager(client: SyncPrefectClient) -> UUID:
    """The deployment that pages, without anybody who would run it."""
    return client.create_deployment(client.create_flow(escalate), name="escalate")


@pytest.fixture
def ledger(own_home: Path) -> Ledger:
    """This test's ledger."""
    return open_ledger()


def practice() -> Environment:
    """A production environment with an escalation path."""
    return make_environment(tier=Tier.PRODUCTION, escalation=LEVELS)


def levels(ledger: Ledger, incident: str) -> list[EscalationRow]:
    """An incident's levels."""
    with ledger.reading() as session:
        return escalations.of_incident(session, incident)


def artifacts(client: SyncPrefectClient, incident: str) -> dict[str, Artifact]:
    """An incident's artifacts, by the end of their key."""
    found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(like_=f"{incident}%")))
    return {str(each.key).removeprefix(f"{incident}-"): each for each in found}


def test_pages_are_scheduled_before_acting_and_taken_back(
    client: SyncPrefectClient, pager: UUID, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server holds one run per level, at its time, while the incident is open; afterwards they are cancelled."""
    seen: list[tuple[Any, Any, Any]] = []
    schedule = _escalations.schedule_on_server

    def look(case: Any) -> str:
        problem = schedule(case)
        problem += schedule(case)  # a resumed run asks again
        for row in levels(ledger, case.incident_id):
            run = client.read_flow_run(UUID(str(row.flow_run_id)))
            assert run.state
            seen.append((run.state.name, run.parameters, run.expected_start_time))
        return problem

    monkeypatch.setattr(_escalations, "schedule_on_server", look)

    outcome = recover(practice(), wire(tmp_path / "board"))

    assert outcome.ending is Ending.RECOVERED
    rows = levels(ledger, outcome.incident)
    assert seen == [
        ("Scheduled", {"incident": outcome.incident, "level": row.level}, row.due_at) for row in rows
    ]
    assert rows[1].due_at - rows[0].due_at == timedelta(seconds=300)
    states = [client.read_flow_run(UUID(str(row.flow_run_id))).state for row in rows]
    assert [state.name for state in states if state] == ["Cancelled", "Cancelled"]


def test_an_incident_shows_its_plan_its_progress_and_its_report(
    client: SyncPrefectClient, tmp_path: Path
) -> None:
    """Three artifacts, each on the incident's flow run; the report carries its picture with it."""
    outcome = recover(practice(), wire(tmp_path / "board"))

    shown = artifacts(client, outcome.incident)
    assert set(shown) == {"plan-gentle", "progress", "report"}
    assert {
        row["what"]: (row["before"], row["after"]) for row in json.loads(str(shown["plan-gentle"].data))
    } == {
        "left": ("bad", "good"),
        "right": ("bad", "good"),
    }
    assert shown["progress"].data == 100
    assert "recovered" in str(shown["progress"].description)
    assert "](data:image/svg+xml;base64," in str(shown["report"].data)
    assert "## What is left to do" in str(shown["report"].data)
    assert {str(each.flow_run_id) for each in shown.values()} != {"None"}


def test_progress_is_shown_while_it_waits(client: SyncPrefectClient, ledger: Ledger, tmp_path: Path) -> None:
    """Somebody who opens the run while it waits for an approval sees how far it is."""
    environment = make_environment(tier=Tier.PRODUCTION, automatic_up_to=None)
    answer: list[Any] = []

    def run() -> None:
        board = wire(tmp_path / "board")
        state: Any = recover(
            environment, board, destructiveness=Destructiveness.DISRUPTIVE, return_state=True
        )
        answer.append(state.result(raise_on_failure=False))

    running = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    running.start()

    def waiting() -> Artifact | None:
        with ledger.reading() as session:
            rows = listed(session, environment=environment.name)
        return artifacts(client, rows[0].id).get("progress") if rows else None

    shown = _eventually(lambda: (bar := waiting()) is not None and "guard" in str(bar.description) and bar)
    assert 0 < shown.data < 100

    with ledger.session() as session:
        row = listed(session, environment=environment.name)[0]
        digest = session.get_one(PlanRow, row.plan_id).digest
        told = Answer(decision=Decision.REJECT, approver="Sam", comment="not now")
        approvals.give(session, row.id, digest, told, now())
    running.join(60)
    assert answer[0].ending is Ending.REFUSED


def test_without_its_deployment_the_ledger_remembers(
    client: SyncPrefectClient, ledger: Ledger, tmp_path: Path
) -> None:
    """A server that knows no `escalate` costs the recovery nothing and is written down."""
    with get_client(sync_client=True) as asked:
        for deployment in asked.read_deployments():
            if deployment.name == "escalate":
                asked.delete_deployment(deployment.id)

    outcome = recover(practice(), wire(tmp_path / "board"))

    assert outcome.ending is Ending.RECOVERED
    assert [row.flow_run_id for row in levels(ledger, outcome.incident)] == [None, None]


def _eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError("it never came")
