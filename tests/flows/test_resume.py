"""What was left lying is found by the next look, taken up once, and never by two."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State, StateType
from prefect.flow_engine import run_flow
from prefect.states import Cancelling, Completed, Crashed, Pending, Scheduled

from blocks.settings import settings
from flows._stuck_runs import mend_stuck_runs
from flows._takeups import care_for_orphans, page_what_is_due
from flows.resume import resume
from ledger import escalations, levers, timeline
from ledger.cases import now
from ledger.models import IncidentRow
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Ending
from rules.stuck_runs import NOT_BEGUN, NOT_CANCELLED
from rules.takeups import LATE, MOST_REQUESTS, MOST_RUNS
from tests.flows.janitor_world import JanitorWorld
from tests.switchboard import read, recover

pytestmark = [pytest.mark.slow]


def test_a_dead_run_is_taken_up_and_recovers(janitor: JanitorWorld) -> None:
    """The incident goes on in a new run with the old one's parameters, which ends it; it stays one incident."""
    before = janitor.asked_run()
    case = janitor.died(before)

    found = resume.fn()

    assert [case.incident_id in line for line in found.done] == [True]
    dead, taken = janitor.runs()
    assert (dead.id, dead.state_type) == (before.id, StateType.CRASHED)
    assert taken.parameters == before.parameters
    state: Any = run_flow(
        recover,
        flow_run=taken,
        parameters={"environment": janitor.environment, "board": janitor.board},
        return_type="state",
    )
    [row] = janitor.incidents()
    assert (row.id, row.ending, row.runs) == (case.incident_id, Ending.RECOVERED.value, 2), state
    assert set(read(janitor.board).values()) == {"good"}
    with janitor.ledger.reading() as session:
        assert timeline.broken_at(session, row.id) is None
    assert resume.fn().done == ()


def test_looking_again_and_two_at_once_ask_for_one_run(janitor: JanitorWorld) -> None:
    """However often and by how many it is looked, the dead incident gets one run."""
    janitor.died()

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: care_for_orphans(janitor.client, janitor.ledger), range(2)))
    told.append(care_for_orphans(janitor.client, janitor.ledger))

    assert len(janitor.runs()) == 1
    assert sum(len(lines) for lines in told) == 1


def test_one_that_is_looked_after_is_left_alone(janitor: JanitorWorld) -> None:
    """A run that begins again by itself, and one in an environment that is stopped, are nobody else's."""
    run = janitor.asked_run()
    case = janitor.died(run)
    waits: State[Any] = Scheduled(scheduled_time=now())
    janitor.client.set_flow_run_state(run.id, waits, force=True)
    assert care_for_orphans(janitor.client, janitor.ledger) == []

    ended: State[Any] = Crashed()
    janitor.client.set_flow_run_state(run.id, ended, force=True)
    with janitor.ledger.session() as session:
        levers.pull(session, janitor.name, "jane", "hands off", now())
    assert care_for_orphans(janitor.client, janitor.ledger) == []
    assert len(janitor.runs()) == 1
    assert janitor.pages(case.incident_id) == []


@pytest.mark.parametrize("reason", ["dies each time", "nobody takes it", "never opens it"])
def test_what_cannot_be_taken_up_pages_somebody_once(
    janitor: JanitorWorld, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many deaths, with nobody to run it, or with runs that end before it: a person, not another try."""
    run = janitor.asked_run()
    case = janitor.died(run, runs=MOST_RUNS if reason == "dies each time" else 1)
    tries = 0
    if reason == "nobody takes it":
        late: State[Any] = Scheduled(scheduled_time=now() - LATE - timedelta(seconds=1))
        janitor.client.set_flow_run_state(run.id, late, force=True)
    if reason == "never opens it":
        tries = MOST_REQUESTS
        for _ in range(MOST_REQUESTS):
            care_for_orphans(janitor.client, janitor.ledger)
            over: State[Any] = Completed()
            janitor.client.set_flow_run_state(janitor.runs()[-1].id, over, force=True)

    told = [
        *care_for_orphans(janitor.client, janitor.ledger),
        *care_for_orphans(janitor.client, janitor.ledger),
    ]

    assert [case.incident_id in line and "cannot be taken up" in line for line in told] == [True]
    [page] = janitor.pages(case.incident_id)
    assert page.parameters == {"incident": case.incident_id, "level": 1}
    assert len(janitor.runs()) == 1 + tries
    with janitor.ledger.reading() as session:
        assert session.get_one(IncidentRow, case.incident_id).closed_at is None


def test_a_page_that_nobody_sends_is_sent(janitor: JanitorWorld) -> None:
    """A level that is due and has no run, or one that failed, gets one; a level that is not due has time."""
    case = janitor.died()
    with janitor.ledger.session() as session:
        escalations.plan_level(session, case.incident_id, 1, "on-call", now() - timedelta(minutes=1))
        escalations.plan_level(session, case.incident_id, 2, "lead", now() + timedelta(minutes=9))

    first = page_what_is_due(janitor.client, janitor.ledger)
    assert page_what_is_due(janitor.client, janitor.ledger) == []
    [run] = janitor.pages(case.incident_id)
    failed: State[Any] = Crashed()
    janitor.client.set_flow_run_state(run.id, failed, force=True)
    again = page_what_is_due(janitor.client, janitor.ledger)

    assert len(first) == len(again) == 1
    assert [page.parameters["level"] for page in janitor.pages(case.incident_id)] == [1, 1]


def test_stuck_runs_are_brought_to_a_true_state(janitor: JanitorWorld) -> None:
    """What was taken and never begun begins again, what hangs in being cancelled is cancelled; what moves goes on."""
    pending, cancelling, running = (janitor.asked_run() for _ in range(3))
    taken: State[Any] = Pending(name="Submitting")
    asked: State[Any] = Cancelling()
    janitor.client.set_flow_run_state(pending.id, taken, force=True)
    janitor.client.set_flow_run_state(cancelling.id, asked, force=True)

    assert not [line for line in mend_stuck_runs(janitor.client, now()) if pending.name in line]
    told = mend_stuck_runs(janitor.client, now() + max(NOT_BEGUN, NOT_CANCELLED) + timedelta(seconds=1))

    found = {run.id: run.state_type for run in janitor.runs()}
    assert found == {
        pending.id: StateType.SCHEDULED,
        cancelling.id: StateType.CANCELLED,
        running.id: StateType.RUNNING,
    }
    assert {pending.name, cancelling.name} <= {line.split()[0] for line in told}


def test_one_part_that_fails_keeps_no_other_from_being_done(
    janitor: JanitorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a routes file that is wrong the dead incident is taken up all the same, and the run fails and says why."""
    janitor.died()
    settings().alarm_routes.write_text("topic: []")

    with pytest.raises(StepFailed, match=r"alarms: .*topic"):
        resume.fn()

    assert len(janitor.runs()) == 1


def test_without_a_server_it_says_so(own_home: Path) -> None:
    """Where nobody could run anything it does not pretend to have looked."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(RecoveryRefused, match="No Prefect"),
    ):
        resume.fn()
