"""Probes and actions inside a flow run on a real Prefect server: the same promises as without one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.context import FlowRunContext
from sqlalchemy import select

from blocks.settings import settings
from ledger.cases import Case
from ledger.models import StepRow
from rules.errors import RecoveryRefused, StepFailed, TransientFailure
from rules.outcomes import Effect
from tasks.kinds import action, in_parallel, probe, say

KEY = "AKIAIOSFODNN7EXAMPLE"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Iterator[None]:
    """Every pause is a fiftieth."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    settings.cache_clear()
    yield
    settings.cache_clear()


class Door:
    """A thing to read and change, that may be out of order for a while."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.tries, self.opened = list(errors), 0, 0

    def use(self) -> None:
        """Try it: raises the next error."""
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)


@probe
def knock(door: Door) -> str:
    """Knock.

    Permissions: none
    """
    door.use()
    return "who is there?"


@action(subject="door {name}")
def open_door(door: Door, name: str = "front") -> Effect:
    """Open a door. Repeating it changes nothing.

    Permissions: none
    """
    door.use()
    changed = not door.opened
    door.opened += changed
    return Effect(subject=name, changed=changed, before="shut", after="open")


def in_a_flow(work: Any) -> tuple[Any, UUID]:
    """Run something inside a flow run; what it returned or raised, and the run's id."""
    seen: list[UUID] = []

    @flow(name="try-kinds", retries=0)
    def try_kinds() -> None:
        context = FlowRunContext.get()
        assert context
        assert context.flow_run
        seen.append(context.flow_run.id)
        try:
            told.append(work())
        except Exception as error:  # noqa: BLE001 - told to the test
            told.append(error)

    told: list[Any] = []
    try_kinds()
    return told[0], seen[0]


def test_only_transient_failures_are_tried_again() -> None:
    """Throttled twice, a probe answers at the third try; any other error passes through whole at the first."""
    busy, odd = Door(TransientFailure("slow down"), TransientFailure("slow down")), ZeroDivisionError("odd")
    broken = Door(odd)
    failed = Door(StepFailed("broken"))

    answer, _ = in_a_flow(lambda: knock(busy))
    error, _ = in_a_flow(lambda: knock(broken))
    failure, _ = in_a_flow(lambda: knock(failed))

    assert (answer, busy.tries) == ("who is there?", 3)
    assert (error, broken.tries) == (odd, 1)
    assert (type(failure), failed.tries) == (StepFailed, 1)


def test_an_action_outside_an_incident_changes_nothing() -> None:
    """Inside a flow run too an action needs an incident that may act."""
    door = Door()
    error, _ = in_a_flow(lambda: open_door(door))

    assert isinstance(error, RecoveryRefused)
    assert door.tries == 0


def test_attempts_and_parallel_actions_are_journalled(acting: Case) -> None:
    """Each try has its number, also of actions at the same time; all are done before the first error is raised."""
    doors = [Door(TransientFailure("slow down")), Door(StepFailed("stuck")), Door()]
    calls = [partial(open_door, door, name=str(n)) for n, door in enumerate(doors)]

    error, _ = in_a_flow(lambda: in_parallel(calls))

    assert isinstance(error, StepFailed)
    with acting.ledger.reading() as session:
        rows = [(r.subject, r.attempt, r.result) for r in session.scalars(select(StepRow))]
    assert sorted(rows) == [
        ("door 0", 1, "failed"),
        ("door 0", 2, "changed"),
        ("door 1", 1, "failed"),
        ("door 2", 1, "changed"),
    ]


def test_no_secret_reaches_prefect(acting: Case) -> None:
    """A key in an argument, an error, its cause, or a line of progress stands in no state and no log."""

    def work() -> None:
        say(f"using {KEY}")
        open_door(Door(), name=KEY)
        for error in (StepFailed(f"no {KEY}"), ValueError(f"no {KEY}")):
            error.__cause__ = ConnectionError(f"because of {KEY}")
            with pytest.raises((StepFailed, ValueError)):
                knock(Door(error))

    told, run_id = in_a_flow(work)
    assert told is None

    with get_client(sync_client=True) as client:
        states = [
            client.read_flow_run(run_id).model_dump_json(),
            *(
                run.model_dump_json()
                for run in client.read_task_runs(
                    task_run_filter=TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[run_id]))
                )
            ),
        ]
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])).model_dump(mode="json")
        deadline, logs = time.monotonic() + 30, ""
        while logs.count("no [redacted") < 2 and time.monotonic() < deadline:
            time.sleep(0.5)  # a run's log is sent in batches
            logs = client._client.post("/logs/filter", json={"logs": wanted}).text

    assert "using [redacted:aws-key-id]" in logs
    assert "ValueError: no [redacted:aws-key-id]" in logs
    assert KEY not in logs
    assert len(states) > 1
    assert KEY not in "".join(states)
