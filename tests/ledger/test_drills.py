"""What the ledger remembers of drills, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger import drills, leases
from ledger.alarms import ASKED_FOR
from ledger.cases import now
from ledger.database import Ledger
from ledger.drill_rows import DrillRow
from ledger.drills import Opening
from ledger.holders import this_process
from ledger.incidents import Opening as IncidentOpening
from ledger.incidents import close_case, decide_ending, open_case
from ledger.models import AlarmRow
from rules.drill_grades import Graded, Heard
from rules.errors import LeaseHeld, RecoveryRefused
from rules.outcomes import Ending, Verdict

ME = this_process()
DEAD = ME.model_copy(update={"pid": 2**22 - 1, "started": 1.0})
PASSED = Graded(grade=Verdict.PASS, reasons=("as promised",))


def opened(ledger: Ledger, environment: str = "staging", *, alive: bool = True) -> str:
    """A drill that has begun."""
    told = Opening(
        environment, "staging", "canary-failure", "broken-release", emergency=False, promised_seconds=300,
        gives_up_at=now() + timedelta(minutes=25),
    )  # fmt: skip
    with ledger.session() as session:
        return drills.open_drill(session, told, ME if alive else DEAD, now())


def broken(ledger: Ledger, drill: str) -> int:
    """Its fault is there, and it holds the environment no more."""
    with ledger.session() as session:
        fence = drills.intend(session, drill, ME, now(), 60, before={"code": "1"}, note={"a": "b"})
    with ledger.session() as session:
        drills.injected(session, drill, fence, now())
    return fence


def test_a_drill_is_open_until_it_has_ended_and_its_fault_is_undone(ledger: Ledger) -> None:
    """Meanwhile no other begins, wherever; a fault that is owed counts, though the drill has its grade."""
    first = opened(ledger)
    broken(ledger, first)
    with pytest.raises(RecoveryRefused, match=first):
        opened(ledger, "qa")
    with ledger.session() as session:
        assert drills.end(session, first, PASSED, "inc-1", now())
        assert not drills.end(session, first, PASSED, "inc-2", now())
    with pytest.raises(RecoveryRefused, match=first):
        opened(ledger, "qa")
    with ledger.session() as session:
        fence = drills.hold(session, first, ME, now(), 60)
        drills.undone(session, first, fence, "", now())

    opened(ledger, "qa")

    with ledger.reading() as session:
        assert leases.look(session, "staging", now())[1] == ""
        assert session.get_one(DrillRow, first).incident_id == "inc-1"
        [past] = drills.ended_between(session, now() - timedelta(minutes=1), now())
        assert (past.environment, past.grade) == ("staging", Verdict.PASS)
        assert set(drills.last_drilled(session, "staging")) == {("broken-release", "canary-failure")}


def test_nothing_is_broken_while_somebody_acts_or_an_incident_is_open(ledger: Ledger) -> None:
    """Neither the intent nor a lease is left."""
    drill = opened(ledger)
    case = open_case(ledger, IncidentOpening("stuck-alarm", "staging", "staging", 60), ME, 30)

    for _ in range(2):
        with pytest.raises(LeaseHeld), ledger.session() as session:
            drills.intend(session, drill, ME, now(), 60, before={}, note={})
        with ledger.session() as session:
            leases.release(
                session, "staging", case.fence
            )  # the second time its incident is open, and nobody acts

    with ledger.reading() as session:
        assert session.get_one(DrillRow, drill).intent_at is None
        assert leases.look(session, "staging", now())[1] == ""


def test_a_rehearsal_that_was_left_open_keeps_no_drill_from_beginning(ledger: Ledger) -> None:
    """It acts on nothing, and nobody ends it once its process is dead."""
    drill = opened(ledger)
    open_case(ledger, IncidentOpening("stuck-alarm", "staging", "staging", 60, rehearsal=True), DEAD, 30)

    broken(ledger, drill)

    with ledger.reading() as session:
        assert session.get_one(DrillRow, drill).injected_at


def test_only_what_is_dead_or_owed_is_for_somebody_else_to_finish(ledger: Ledger) -> None:
    """A living drill is left alone; a dead one, and one of another host whose time is over, are not."""
    drill = opened(ledger)
    with ledger.session() as session:
        assert drills.unfinished(session, now()) == []
        row = session.get_one(DrillRow, drill)
        row.holder = ME.model_copy(update={"host": "elsewhere"}).model_dump()
    with ledger.reading() as session:
        assert drills.unfinished(session, now()) == []
        assert [row.id for row in drills.unfinished(session, now() + timedelta(hours=1))] == [drill]
    with ledger.session() as session:
        session.get_one(DrillRow, drill).holder = DEAD.model_dump()
    with ledger.reading() as session:
        assert [row.id for row in drills.unfinished(session, now())] == [drill]


def test_the_incident_that_answers_and_what_comes_up_beside_it_are_told_apart(ledger: Ledger) -> None:
    """By scenario, environment and time; alarms that lead nowhere, or to this drill's scenario, are nobody else's."""
    drill = opened(ledger)
    broken(ledger, drill)
    mine = IncidentOpening("canary-failure", "staging", "staging", 60, alarm_id="alm-1")
    case = open_case(ledger, mine, ME, 30)
    with ledger.session() as session:
        for name, scenario, state in (
            ("own", "canary-failure", "dispatched"),
            ("ignored", None, "ignored"),
            ("disk", "stuck-alarm", "stored"),
        ):
            session.add(
                AlarmRow(
                    id=f"alm-{name}", source="sns", external_id=name, received_at=now(), name=name,
                    scenario=scenario, environment="staging" if scenario else None, state=state,
                )
            )  # fmt: skip
    with ledger.reading() as session:
        row = session.get_one(DrillRow, drill)
        answer = drills.answering(session, row)
        assert answer is not None
        assert (answer.id, answer.by_alarm, answer.closed_at) == (case.incident_id, True, None)
        assert [list(each) for each in drills.others(session, row)] == [[], ["disk"]]
    decide_ending(case, Ending.RECOVERED, "", "")
    close_case(case)
    other = open_case(ledger, IncidentOpening("stuck-alarm", "staging", "staging", 60), ME, 30)

    with ledger.reading() as session:
        answer = drills.answering(session, row)
        assert answer is not None
        assert answer.ending is Ending.RECOVERED
        assert list(drills.others(session, row)[0]) == [other.incident_id]


def test_how_an_alarm_was_heard_of_is_known(ledger: Ledger) -> None:
    """Not yet; only by asking; delivered as well. What says that it is over is no alarm."""
    drill = opened(ledger)
    broken(ledger, drill)
    found = []
    for name, status, body in (
        ("over", "ok", {}),
        ("asked", "alarm", {ASKED_FOR: True}),
        ("delivered", "alarm", {"summary": "x"}),
    ):
        with ledger.session() as session:
            session.add(
                AlarmRow(
                    id=f"alm-{name}", source="sns", external_id=name, received_at=now(), name=name, status=status,
                    scenario="canary-failure", environment="staging", state="stored", body=body,
                )
            )  # fmt: skip
        with ledger.reading() as session:
            found.append(drills.heard(session, session.get_one(DrillRow, drill)))

    assert found == [Heard.NOT, Heard.ASKED, Heard.DELIVERED]
