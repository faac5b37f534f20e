"""The chain of an incident's timeline: any change to it is found."""

from __future__ import annotations

import threading
from datetime import timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from ledger import incidents, timeline
from ledger.cases import Case
from ledger.database import Ledger
from ledger.holders import this_process
from ledger.incidents import open_case
from ledger.models import TimelineRow
from rules.outcomes import Phase
from tests.ledger.samples import NOON, opened, opening

ROWS = 6


def write(session: Session, incident: str, number: int) -> None:
    """Add one entry."""
    timeline.append(
        session, incident, at=NOON, phase=Phase.ACT, kind="note", text=f"entry {number}", data={"n": number}
    )


@pytest.fixture
def told(ledger: Ledger) -> Case:
    """An incident with six entries."""
    case = opened(ledger)
    with ledger.session() as session:
        for number in range(2, ROWS + 1):
            write(session, case.incident_id, number)
    return case


def test_entries_are_numbered_and_chained(told: Case) -> None:
    """Each entry has the next number and the hash of the one before; the first has the genesis."""
    with told.ledger.reading() as session:
        rows = timeline.entries(session, told.incident_id)
        later = timeline.entries(session, told.incident_id, after=4)

    assert [row.number for row in rows] == list(range(1, ROWS + 1))
    assert [row.previous for row in rows] == [timeline.GENESIS, *(row.hash for row in rows[:-1])]
    assert [row.number for row in later] == [5, 6]


changed = st.sampled_from(["text", "data", "at", "fence", "phase", "kind", "previous", "hash"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(number=st.integers(1, ROWS), column=changed, value=st.text(min_size=1, max_size=10))
def test_changing_anything_of_an_entry_is_found(told: Case, number: int, column: str, value: str) -> None:
    """A changed entry is found at its own number, whatever column was changed."""
    values: dict[str, object] = {
        "data": {"forged": value},
        "at": NOON + timedelta(seconds=len(value), days=1),
        "fence": 100 + len(value),
        "previous": "f" * 64,
        "hash": "e" * 64,
    }
    with told.ledger._sessions() as session:  # never committed
        session.execute(
            update(TimelineRow)
            .where(TimelineRow.incident_id == told.incident_id, TimelineRow.number == number)
            .values({column: values.get(column, "forged " + value.replace("\x00", ""))})
        )
        assert timeline.broken_at(session, told.incident_id) == number
        assert timeline.incidents_with_a_broken_chain(session) == [told.incident_id]
        session.rollback()


@pytest.mark.parametrize("number", range(1, ROWS + 1))
def test_removing_an_entry_is_found(told: Case, number: int) -> None:
    """An entry that is missing is found at its number, also where it was the last one."""
    with told.ledger.session() as session:
        session.execute(
            delete(TimelineRow).where(
                TimelineRow.incident_id == told.incident_id, TimelineRow.number == number
            )
        )
        assert timeline.broken_at(session, told.incident_id) == number


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.integers(1, ROWS), min_size=2, max_size=2, unique=True))
def test_swapping_two_entries_is_found(told: Case, pair: list[int]) -> None:
    """Two entries that changed places are found at the first of them."""
    with told.ledger._sessions() as session:
        first, second = (
            next(row for row in timeline.entries(session, told.incident_id) if row.number == number)
            for number in pair
        )
        for before, now in ((pair[0], -1), (pair[1], pair[0]), (-1, pair[1])):
            session.execute(
                update(TimelineRow)
                .where(TimelineRow.incident_id == told.incident_id, TimelineRow.number == before)
                .values(number=now)
            )
        session.expire_all()
        assert timeline.broken_at(session, told.incident_id) == min(first.number, second.number)
        session.rollback()


def test_a_whole_chain_is_whole(told: Case) -> None:
    """A timeline that nobody touched has no break."""
    with told.ledger.reading() as session:
        assert timeline.broken_at(session, told.incident_id) is None
        assert timeline.incidents_with_a_broken_chain(session) == []


def test_many_writers_at_once_keep_one_chain(told: Case) -> None:
    """Entries from several threads get consecutive numbers in one whole chain; none is lost."""
    errors: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(5):
                with told.ledger.session() as session:
                    write(session, told.incident_id, name * 100 + number)
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    with told.ledger.reading() as session:
        assert len(timeline.entries(session, told.incident_id)) == ROWS + 25
        assert timeline.broken_at(session, told.incident_id) is None


def test_each_incident_has_a_chain_of_its_own(told: Case) -> None:
    """A break in one incident's timeline says nothing of another's."""
    other = open_case(told.ledger, opening(environment="preprod"), this_process(), 30)
    with told.ledger.session() as session:
        session.execute(
            update(TimelineRow).where(TimelineRow.incident_id == told.incident_id).values(text="forged")
        )
    with told.ledger.reading() as session:
        assert timeline.broken_at(session, told.incident_id) == 1
        assert timeline.broken_at(session, other.incident_id) is None


def test_a_time_of_another_zone_keeps_the_chain_whole(told: Case) -> None:
    """An entry written with a local time reads back as the same entry."""
    local = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with told.ledger.session() as session:
        timeline.append(session, told.incident_id, at=local, phase=Phase.ACT, kind="note", text="local")
    with told.ledger.reading() as session:
        assert timeline.broken_at(session, told.incident_id) is None


def test_an_entry_of_no_incident_is_an_error(ledger: Ledger) -> None:
    """An entry needs its incident."""
    with pytest.raises(NoResultFound), ledger.session() as session:
        write(session, "no-such-incident", 1)


def test_a_further_alarm_is_noted(told: Case) -> None:
    """An alarm that arrives while the incident is open is one entry of its timeline, in its phase."""
    with told.ledger.session() as session:
        incidents.note_once(session, told.incident_id, "alarm", "errors-high fired too", {"alarm": "alm-1"})
    with told.ledger.reading() as session:
        last = timeline.entries(session, told.incident_id)[-1]
        assert (last.kind, last.phase, last.data) == ("alarm", "detect", {"alarm": "alm-1"})
        assert timeline.broken_at(session, told.incident_id) is None
