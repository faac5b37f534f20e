"""What goes into the ledger comes out of every database as it went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import StatementError

from ledger.cases import Case
from ledger.database import Ledger
from ledger.models import IncidentRow
from ledger.storable import storable, storable_text
from rules.outcomes import Phase
from rules.redaction import redact
from tests.ledger.samples import NOON

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
broken_text = st.text(st.characters(exclude_categories=()), max_size=40)
relaxed = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@relaxed
@given(said=broken_text, data=st.dictionaries(st.text(max_size=8), anything, max_size=4))
def test_any_text_and_data_can_be_kept(case: Case, said: str, data: dict[str, object]) -> None:
    """Whatever a tool prints (NUL, lone surrogates, NaN) is kept, and the chain stays whole."""
    from ledger import timeline

    with case.ledger.session() as session:
        timeline.append(
            session, case.incident_id, at=NOON, phase=Phase.ACT, kind="step", text=said, data=data
        )
    with case.ledger.reading() as session:
        read = timeline.entries(session, case.incident_id)[-1]
        assert (read.text, read.data) == (storable_text(redact(said)), storable(redact(data)))
        assert timeline.broken_at(session, case.incident_id) is None


@given(anything)
def test_making_storable_twice_changes_nothing_more(value: object) -> None:
    """What is storable already stays as it is."""
    once = storable(value)

    assert storable(once) == once


def test_what_json_does_not_know_becomes_text() -> None:
    """Times, numbers as keys, tuples and NaN get a form that reads back equal."""
    assert storable({1: (NOON, float("nan"))}) == {"1": [str(NOON), "nan"]}
    assert storable_text("a\x00b\ud800c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_a_column_takes_broken_text_too(ledger: Ledger, case: Case) -> None:
    """A broken character in any text or JSON column costs that character, not the incident."""
    with ledger.session() as session:
        row = session.get_one(IncidentRow, case.incident_id)
        row.reason, row.parameters = "NUL \x00 and \udcff", {"seen": "\x00", "ratio": float("inf")}
    with ledger.reading() as session:
        row = session.get_one(IncidentRow, case.incident_id)
        assert row.reason.startswith("NUL ")
        assert row.parameters["ratio"] == "inf"


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - zones are drawn apart
@relaxed
def test_times_come_back_in_utc(case: Case, naive: datetime, minutes_east: int) -> None:
    """A time of any zone is the same moment when it is read, said in UTC."""
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes_east)))
    with case.ledger.session() as session:
        case.incident(session).opened_at = at
    with case.ledger.reading() as session:
        read = case.incident(session).opened_at

    assert read == at
    assert read.tzinfo is UTC or read.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_an_error(case: Case) -> None:
    """A time that could mean anything is refused."""
    with pytest.raises(StatementError, match="time zone"), case.ledger.session() as session:
        case.incident(session).opened_at = datetime(2026, 1, 1)  # noqa: DTZ001 - on purpose
