"""The inbox in the ledger, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from ledger import alarms, episodes
from ledger.alarms import NewAlarm, Pair
from ledger.database import Ledger, forget_opened, open_ledger
from ledger.models import AlarmRow
from rules.triggers import Placement, Standing, correlate

NOW = datetime(2026, 1, 31, 3, 12, tzinfo=UTC)
PAIR = Pair("canary-failure", "prod")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger, once on each database."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()
    forget_opened()


def alarm(number: int, seconds: float = 0.0, name: str = "prod-sentiment-errors") -> NewAlarm:
    """A stored alarm of prod."""
    at = NOW + timedelta(seconds=seconds)
    return NewAlarm(
        id=alarms.new_id(at) + f"{number:02d}",
        source="sns",
        external_id=f"m{number}",
        received_at=at,
        occurred_at=at,
        name=name,
        status="alarm",
        state="stored",
        body={"labels": {"a": "b"}},
        scenario=PAIR.scenario,
        environment=PAIR.environment,
        parameters={"severe": True},
    )


def judge(identity: str, occurred_at: datetime, matter: str, standing: Standing) -> Placement | None:
    """The rule, with the routes file's usual cooldown."""
    cooldown = timedelta(minutes=5)
    return correlate(identity, occurred_at, PAIR.scenario, PAIR.environment, standing, cooldown, matter)


def test_stored_once(ledger: Ledger) -> None:
    """A delivery that was there before is not new, within one batch or later."""
    first, second, third = (alarm(number) for number in (1, 2, 3))

    assert alarms.store(ledger, [first, second]) == {first.id, second.id}
    assert alarms.store(ledger, [replace(first, id="alm-other"), third]) == {third.id}
    assert alarms.store(ledger, []) == set()


def test_what_was_stored_comes_back(ledger: Ledger) -> None:
    """Times, JSON and the columns of later come back as they should."""
    alarms.store(ledger, [alarm(1)])

    with ledger.reading() as session:
        row = session.scalars(select(AlarmRow)).one()
        assert (row.received_at, row.parameters, row.body) == (NOW, {"severe": True}, {"labels": {"a": "b"}})
        assert (row.attempts, row.incident_key, row.flow_run_id) == (0, None, None)


def test_placed_by_many_at_once(ledger: Ledger) -> None:
    """Receivers that place the same alarms at the same moment ask for one run under one key."""
    alarms.store(ledger, [alarm(number, number) for number in range(20)])
    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(lambda _: episodes.place(ledger, PAIR, NOW, judge), range(8)))

    assert {tuple(one.key for one in each) for each in asked} == {(asked[0][0].key,)}
    assert asked[0][0].parameters == {"severe": True}


def test_asked_again_until_it_is_written(ledger: Ledger) -> None:
    """A run is asked for until it is marked; alarms that come later join it."""
    alarms.store(ledger, [alarm(1)])
    (asked,) = episodes.place(ledger, PAIR, NOW, judge)
    alarms.count_attempt(ledger, asked.key, "Prefect is away")
    (again,) = episodes.place(ledger, PAIR, NOW, judge)
    assert (again.key, again.attempts) == (asked.key, 1)

    assert alarms.mark_dispatched(ledger, asked.key, "run-1", NOW) == 1
    alarms.store(ledger, [alarm(2, 60)])
    assert episodes.place(ledger, PAIR, NOW, judge) == []
    with ledger.reading() as session:
        assert set(session.scalars(select(AlarmRow.flow_run_id))) == {"run-1"}
        (awaited,) = episodes.awaited_runs(session, NOW, timedelta(hours=1))
    assert awaited.flow_run_id == "run-1"


def test_a_run_that_is_over_is_not_joined(ledger: Ledger) -> None:
    """When the awaited run ended without an incident, the next alarm gets a run of its own."""
    alarms.store(ledger, [alarm(1)])
    (asked,) = episodes.place(ledger, PAIR, NOW, judge)
    alarms.mark_dispatched(ledger, asked.key, "run-1", NOW)
    alarms.store(ledger, [alarm(2)])

    (other,) = episodes.place(ledger, PAIR, NOW, judge, frozenset({"run-1"}))
    assert other.key != asked.key


def test_a_failed_run_is_forgotten(ledger: Ledger) -> None:
    """After a refusal the next alarm begins anew, under another key."""
    alarms.store(ledger, [alarm(1)])
    (asked,) = episodes.place(ledger, PAIR, NOW, judge)
    assert alarms.mark_failed(ledger, asked.key, "409") == 1
    alarms.store(ledger, [alarm(2)])

    (other,) = episodes.place(ledger, PAIR, NOW, judge)
    assert other.key != asked.key


def test_figures(ledger: Ledger) -> None:
    """What the metrics and the health check read."""
    alarms.prove_writable(ledger)
    alarms.store(ledger, [alarm(1), replace(alarm(2, 5), state="ignored", scenario=None, environment=None)])
    alarms.prove_writable(ledger)

    with ledger.reading() as session:
        assert alarms.by_state(session) == {("sns", "stored"): 1, ("sns", "ignored"): 1}
        assert alarms.oldest_waiting(session) == NOW
        assert alarms.waiting(session) == [PAIR]
