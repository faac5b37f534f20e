"""The frame inside a real Prefect server: named endings, and the form that people answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from moto import mock_aws
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort, LogSort
from sqlalchemy import select

from flows._incident import Request
from ledger import approvals, incidents, timeline
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow, PlanRow, TimelineRow
from rules.approvals import Answer, Decision
from rules.outcomes import Ending, Outcome
from rules.severity import Destructiveness, Tier
from tests import switchboard
from tests.switchboard import make_environment, recover, wire

PATIENCE = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account to ask who we are; pauses are short, but people have time to answer."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.1")
    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "1200")
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
def board(tmp_path: Path) -> Path:
    """Two switches, both bad."""
    return wire(tmp_path / "board")


@pytest.fixture
def ledger(own_home: Path) -> Ledger:
    """This test's ledger."""
    return open_ledger()


def run(board: Path, **parameters: Any) -> tuple[State[Any], Outcome]:
    """Run the flow in Prefect; its final state and the outcome it carries."""
    environment = parameters.pop("environment", None) or make_environment()
    state = cast("State[Any]", recover(environment, board, return_state=True, **parameters))
    return state, cast("Outcome", state.result(raise_on_failure=False))


def runs_of(client: SyncPrefectClient, board: Path) -> list[FlowRun]:
    """The runs on a board. Asked by the flow's name: the server is shared, and a page holds the first few of all."""
    ours = FlowFilter(name=FlowFilterName(any_=[recover.name]))
    newest = client.read_flow_runs(flow_filter=ours, sort=FlowRunSort.START_TIME_DESC, limit=50)
    return [run for run in newest if run.parameters.get("board") == str(board)]


class Person(threading.Thread):
    """Somebody at the Prefect UI: finds the paused run of a board and works on it."""

    def __init__(self, does: Callable[[Person], None], board: Path) -> None:
        super().__init__(daemon=True)
        self.does, self.board, self.error = does, board, None
        self.context = copy_context()  # which server it is

    error: BaseException | None
    client: SyncPrefectClient

    def run(self) -> None:
        """Do it, with a client of their own."""
        try:
            self.context.run(self._work)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error

    def _work(self) -> None:
        with get_client(sync_client=True) as self.client:
            self.does(self)

    def paused(self, *, not_key: str = "") -> FlowRun:
        """Wait until the run shows a form; another one than `not_key`'s."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for flow_run in runs_of(self.client, self.board):
                state = flow_run.state
                if (
                    state
                    and state.is_paused()
                    and state.state_details.pause_key != not_key
                    and "schema" in (state.state_details.run_input_keyset or {})
                ):
                    return flow_run
            time.sleep(0.1)
        raise AssertionError("the run showed no form")

    def form(self, flow_run: FlowRun) -> dict[str, Any]:
        """The form's JSON schema, as the UI reads it."""
        assert flow_run.state
        keys = flow_run.state.state_details.run_input_keyset
        assert keys
        answer = self.client._client.get(f"/flow_runs/{flow_run.id}/input/{keys['schema']}")
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())

    def description(self, flow_run: FlowRun) -> str:
        """What stands above the form."""
        assert flow_run.state
        keys = flow_run.state.state_details.run_input_keyset
        assert keys
        return str(self.client._client.get(f"/flow_runs/{flow_run.id}/input/{keys['description']}").json())

    def resume(self, flow_run: FlowRun, **answer: str) -> str:
        """Press Resume with these fields; the server's verdict (ACCEPT, REJECT, ABORT)."""
        response = self.client._client.post(f"/flow_runs/{flow_run.id}/resume", json={"run_input": answer})
        return str(response.json()["status"])

    def state(self, run_id: UUID) -> State[Any]:
        """The run's state now."""
        state = self.client.read_flow_run(run_id).state
        assert state
        return state


def with_person(board: Path, does: Callable[[Person], None], **parameters: Any) -> tuple[State[Any], Outcome]:
    """Run the flow while somebody sits at the UI."""
    person = Person(does, board)
    person.start()
    state, outcome = run(board, **parameters)
    person.join(PATIENCE)
    if person.error:
        raise person.error
    return state, outcome


def production() -> Any:
    """An environment where what destroys needs two people and the rest one."""
    return make_environment(tier=Tier.PRODUCTION, automatic_up_to=None)


def test_a_recovery_ends_as_recovered(board: Path, client: SyncPrefectClient) -> None:
    """The run's final state in the UI is Completed with the name Recovered and the sentence that says why."""
    state, outcome = run(board)

    assert outcome.ending is Ending.RECOVERED
    assert (state.type.value, state.name) == ("COMPLETED", "Recovered")
    assert state.message
    assert "verified" in state.message
    [flow_run] = runs_of(client, board)
    assert flow_run.state
    assert flow_run.state.name == "Recovered"
    assert switchboard.read(board) == {"left": "good", "right": "good"}


@pytest.mark.parametrize(
    ("flaw", "parameters", "kind", "name"),
    [
        ("", {"rehearse": True}, "COMPLETED", "Rehearsed"),
        ("fog", {}, "FAILED", "Refused"),
        ("stuck-left", {}, "FAILED", "Not recovered"),
    ],
)
def test_every_ending_has_its_state(
    board: Path, flaw: str, parameters: dict[str, Any], kind: str, name: str
) -> None:
    """Rehearsed is good news; refused and not recovered are failures that say their name."""
    if flaw:
        (board / flaw).touch()

    state, _ = run(board, **parameters)

    assert (state.type.value, state.name) == (kind, name)


def test_the_ledger_knows_the_flow_run(board: Path, ledger: Ledger, client: SyncPrefectClient) -> None:
    """The incident names the flow run that handled it, so that the UI can be opened from the report."""
    _, outcome = run(board)

    with ledger.reading() as session:
        flow_run_id = session.get_one(IncidentRow, outcome.incident).flow_run_id
    assert flow_run_id
    assert client.read_flow_run(UUID(flow_run_id)).parameters["board"] == str(board)


def test_the_log_of_the_run_tells_the_timeline(
    board: Path, ledger: Ledger, client: SyncPrefectClient
) -> None:
    """The page of a run opens with its log: each entry of the timeline stands there, once and in order."""
    run(board)
    [row] = runs_of(client, board)
    with ledger.reading() as session:
        told = [f"{entry.phase}: {entry.text}" for entry in session.scalars(select(TimelineRow))]

    logged: list[str] = []
    deadline = time.monotonic() + PATIENCE  # Prefect sends logs now and then
    while time.monotonic() < deadline and len(logged) < len(told) - 1:
        time.sleep(0.2)
        found = client.read_logs(
            LogFilter(flow_run_id=LogFilterFlowRunId(any_=[row.id])), sort=LogSort.TIMESTAMP_ASC
        )
        logged = [entry.message for entry in found if entry.message in told]

    assert logged
    assert logged == told[: len(logged)]
    assert any(line.startswith("act: ") for line in logged)


def test_one_person_approves_in_the_form(board: Path, ledger: Ledger) -> None:
    """The run pauses with a form that shows the plan; a wrong word keeps it paused, ROLLBACK and a name recover."""
    seen: dict[str, Any] = {}

    def answers(person: Person) -> None:
        waiting = person.paused()
        seen["form"], seen["text"] = person.form(waiting), person.description(waiting)
        for wrong in (
            {"word": "yes", "name": "Ada"},
            {"word": "rollback", "name": "Ada"},
            {"word": "ROLLBACK", "name": "A"},
            {"name": "Ada"},
            {},
        ):
            assert person.resume(waiting, **wrong) == "REJECT", wrong
        time.sleep(1)
        assert person.state(waiting.id).is_paused()
        assert switchboard.changes(board) == []
        assert person.resume(waiting, word="ROLLBACK", name="Ada", comment="seen it") == "ACCEPT"

    state, outcome = with_person(
        board, answers, environment=production(), destructiveness=Destructiveness.DISRUPTIVE
    )

    assert state.name == "Recovered", state
    assert list(seen["form"]["properties"]) == ["word", "name", "comment"]
    assert seen["form"]["required"] == ["word", "name"]
    assert seen["form"]["properties"]["word"]["pattern"] == "^(ROLLBACK|REJECT)$"
    assert "| left | `bad` | `good` |" in seen["text"]
    assert outcome.plan
    assert outcome.plan.digest[:12] in seen["text"]
    with ledger.reading() as session:
        told = [r.text for r in timeline.entries(session, outcome.incident) if r.kind == "approval"]
    assert told == ["approve by Ada through prefect"]


def test_two_people_approve_in_two_forms(board: Path, ledger: Ledger) -> None:
    """Each approver gets a form; the same person twice does not make two."""

    def answers(person: Person) -> None:
        first = person.paused()
        assert person.resume(first, word="ROLLBACK", name="Ada") == "ACCEPT"
        assert first.state
        again = person.paused(not_key=first.state.state_details.pause_key or "")
        assert person.resume(again, word="ROLLBACK", name=" ada ") == "ACCEPT"
        assert again.state
        third = person.paused(not_key=again.state.state_details.pause_key or "")
        assert switchboard.changes(board) == []
        assert person.resume(third, word="ROLLBACK", name="Ben") == "ACCEPT"

    state, outcome = with_person(
        board, answers, environment=production(), destructiveness=Destructiveness.DESTRUCTIVE
    )

    assert state.name == "Recovered", state
    with ledger.reading() as session:
        granted = [r.text for r in timeline.entries(session, outcome.incident) if r.kind == "guard"]
    assert granted[-1] == "approved by Ada and Ben"


def test_a_rejection_in_the_form_refuses(board: Path) -> None:
    """REJECT ends the run as refused, with the comment, and changes nothing."""

    def answers(person: Person) -> None:
        assert person.resume(person.paused(), word="REJECT", name="Ada", comment="data team") == "ACCEPT"

    state, outcome = with_person(
        board, answers, environment=production(), destructiveness=Destructiveness.DISRUPTIVE
    )

    assert (state.type.value, state.name) == ("FAILED", "Refused")
    assert "rejected by Ada: data team" in outcome.reason
    assert switchboard.changes(board) == []


def test_nobody_answering_ends_as_refused_by_our_own_word(
    board: Path, monkeypatch: pytest.MonkeyPatch, client: SyncPrefectClient
) -> None:
    """When the time is over the final state is ours, Refused, not Prefect's own failure of a pause."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "30")
    settings.cache_clear()

    state, outcome = run(board, environment=production(), destructiveness=Destructiveness.DISRUPTIVE)

    assert (state.type.value, state.name) == ("FAILED", "Refused")
    assert "Nobody answered" in outcome.reason
    [flow_run] = runs_of(client, board)
    assert flow_run.state
    assert flow_run.state.name == "Refused"
    assert switchboard.changes(board) == []


def by_command(ledger: Ledger, name: str, decision: Decision = Decision.APPROVE) -> None:
    """Answer the waiting plan as `backstop approve` does: in the ledger."""
    with ledger.session() as session:
        row = incidents.open_row(session, "switch-failure", "practice")
        assert row
        plan = session.get_one(PlanRow, row.plan_id)
        answer = Answer(decision=decision, approver=name)
        approvals.give(session, row.id, plan.digest, answer, datetime.now(UTC))


def test_approved_by_command_the_paused_run_goes_on(board: Path, ledger: Ledger) -> None:
    """An approval through the ledger while the form is shown takes the form away; the run ends as recovered."""

    def answers(person: Person) -> None:
        waiting = person.paused()
        by_command(ledger, "Ada")
        deadline = time.monotonic() + PATIENCE
        while person.state(waiting.id).is_paused():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    state, _ = with_person(
        board, answers, environment=production(), destructiveness=Destructiveness.DISRUPTIVE
    )

    assert state.name == "Recovered", state
    assert switchboard.read(board) == {"left": "good", "right": "good"}


def test_one_by_command_and_one_by_form(board: Path, ledger: Ledger) -> None:
    """Two approvers may come two ways."""

    def answers(person: Person) -> None:
        waiting = person.paused()
        by_command(ledger, "Ada")
        time.sleep(1)
        assert person.state(waiting.id).is_paused()
        assert person.resume(waiting, word="ROLLBACK", name="Ben") == "ACCEPT"

    state, _ = with_person(
        board, answers, environment=production(), destructiveness=Destructiveness.DESTRUCTIVE
    )

    assert state.name == "Recovered", state


def test_when_the_world_drifts_a_new_form_is_shown(board: Path, ledger: Ledger) -> None:
    """The fault grows while the plan waits: the old form's answer is void, the new form shows the new plan."""
    seen: dict[str, str] = {}

    def answers(person: Person) -> None:
        first = person.paused()
        seen["first"] = person.description(first)
        (board / "left").write_text("worse")
        assert first.state
        second = person.paused(not_key=first.state.state_details.pause_key or "")
        seen["second"] = person.description(second)
        assert person.resume(second, word="ROLLBACK", name="Ada") == "ACCEPT"

    state, outcome = with_person(
        board, answers, environment=production(), destructiveness=Destructiveness.DISRUPTIVE
    )

    assert state.name == "Recovered", state
    assert "| left | `bad` | `good` |" in seen["first"]
    assert "| left | `worse` | `good` |" in seen["second"]
    with ledger.reading() as session:
        rows = session.scalars(select(PlanRow).where(PlanRow.incident_id == outcome.incident)).all()
        assert [row.state for row in rows] == ["void", "verified"]


def test_healthy_while_waiting_is_nothing_to_do(board: Path) -> None:
    """The fault goes away by itself while the plan waits: the form is taken away, nothing is changed."""

    def mends(person: Person) -> None:
        person.paused()
        for switch in switchboard.SWITCHES:
            (board / switch).write_text("good")

    state, _ = with_person(board, mends, environment=production(), destructiveness=Destructiveness.DISRUPTIVE)

    assert (state.type.value, state.name) == ("COMPLETED", "Nothing to do")
    assert switchboard.changes(board) == []


def test_resumed_without_an_answer_it_asks_again(board: Path) -> None:
    """A resume that carries no input (an automation's) approves nothing: the server refuses it."""

    def presses(person: Person) -> None:
        waiting = person.paused()
        response = person.client._client.post(f"/flow_runs/{waiting.id}/resume", json={})
        assert response.json()["status"] == "REJECT"
        assert person.resume(waiting, word="REJECT", name="Ada") == "ACCEPT"

    state, _ = with_person(
        board,
        presses,
        environment=production(),
        destructiveness=Destructiveness.DISRUPTIVE,
        request=Request(requested_by="jane"),
    )

    assert state.name == "Refused"
