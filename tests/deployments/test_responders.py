"""What responders promise together and about their own death."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.states import Scheduled

from tests.deployments.conftest import until

if TYPE_CHECKING:
    from tests.deployments.conftest import Practice

pytestmark = [
    pytest.mark.slow,
    pytest.mark.crash,
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("prefect"),
]


def test_of_two_responders_one_gets_each_run_whoever_made_it(practice: Practice) -> None:
    """Runs of the API, the UI and a schedule are each carried out exactly once by two responders."""
    practice.responder()
    practice.responder()
    note = practice.deployment("note")
    soon = datetime.now(UTC) + timedelta(seconds=15)  # the server's scheduler looks every five
    once = IntervalSchedule(interval=timedelta(days=1), anchor_date=soon)
    practice.deployment(
        "visitless",
        schedules=[DeploymentScheduleCreate(schedule=once, active=True)],
        parameters={"file": str(practice.file), "mark": "scheduled"},
    )
    runs = [practice.run(note, mark=f"api-{number}") for number in range(4)]
    for number in range(2):
        asked = practice.client.create_flow_run_from_deployment(
            note,
            parameters={"file": str(practice.file), "mark": f"ui-{number}"},
            state=Scheduled(message="Run from the Prefect UI", scheduled_time=datetime.now(UTC)),
        )
        runs.append(asked.id)

    for run in runs:
        practice.ends(run, StateType.COMPLETED)
    until("a scheduled run", lambda: practice.lines("scheduled"))

    counted = Counter(line[0] for line in practice.lines() if not line[0].startswith("scheduled"))
    assert counted == {**{f"api-{n}": 1 for n in range(4)}, **{f"ui-{n}": 1 for n in range(2)}}
    assert all(practice.seen(run).run_count == 1 for run in runs)


def test_a_killed_responder_loses_no_run(practice: Practice) -> None:
    """Its running run goes on, the next responder inherits it and can cancel it, and due runs are taken up."""
    first = practice.responder(processes=2)
    nap = practice.deployment("nap")
    ends_well, is_cancelled = practice.run(nap, seconds=6), practice.run(nap, seconds=300)
    until("both run", lambda: len(practice.lines("begin")) == 2)

    first.send_signal(signal.SIGKILL)
    first.wait()
    waits = practice.run(practice.deployment("note"), mark="later")
    practice.responder(cancel_grace_seconds=5)

    practice.ends(waits, StateType.COMPLETED)
    practice.ends(ends_well, StateType.COMPLETED)
    practice.cancel(is_cancelled)
    practice.ends(is_cancelled, StateType.CANCELLED)
    assert len(practice.lines("begin")) == 2


def test_a_run_that_died_with_its_responder_is_found(practice: Practice) -> None:
    """When responder and run are killed together, the next responder on the host says so."""
    first = practice.responder()
    run = practice.run(practice.deployment("nap"), seconds=300)
    process = practice.process(run)

    first.send_signal(signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    first.wait()
    practice.responder()

    ended = practice.ends(run, StateType.CRASHED)
    assert ended.state is not None
    assert ended.state.message == "Its process ended."


def test_a_run_that_was_taken_but_never_begun_goes_back(practice: Practice) -> None:
    """A responder that dies between taking a run and handing it over loses nothing."""
    from deployments.claims import Claim, Claims
    from ledger.holders import this_process

    run = practice.run(practice.deployment("note"), mark="back")
    dead = this_process().model_copy(update={"pid": 2**22 - 1, "started": 1.0})
    claim = Claim.on(run, dead).model_copy(update={"responder": dead})
    Claims(practice.folder / "responder").note(claim)
    _take(practice, run, claim.words)

    practice.responder()

    practice.ends(run, StateType.COMPLETED)
    assert len(practice.lines("back")) == 1


def test_stopping_a_responder_ends_its_runs_and_leaves_nothing(practice: Practice) -> None:
    """On SIGTERM the runs clean up, their states say what happened, and no process stays."""
    responder = practice.responder(stop_grace_seconds=5)
    run = practice.run(practice.deployment("nap"), seconds=300)
    process = practice.process(run)

    responder.terminate()
    assert responder.wait(60) == 0

    assert practice.lines("cleaned", run)
    assert practice.ends(run, StateType.CRASHED).state_type is StateType.CRASHED
    assert not process.is_running()
    until("its whole session is gone", lambda: not _session(responder.pid))


def _session(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == pid:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def _take(practice: Practice, run: object, words: str) -> None:
    from uuid import UUID

    from prefect.states import Pending

    practice.client.set_flow_run_state(UUID(str(run)), Pending(name="Taken", message=words))
