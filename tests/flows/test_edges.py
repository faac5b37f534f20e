"""The frame's edges: what it says when the ledger goes away, the lever is pulled, or the lease is lost late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto import mock_aws
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from flows._incident import Request
from ledger import leases, levers, timeline
from ledger.database import Ledger, open_ledger, unwatch_boundaries, watch_boundaries
from ledger.models import IncidentRow, PlanRow
from rules.outcomes import Ending
from tests import switchboard
from tests.switchboard import make_environment, recover, wire

KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account to ask who we are; every pause is short."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    settings.cache_clear()
    with mock_aws():
        yield


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Two switches, both bad."""
    return wire(tmp_path / "board")


@pytest.fixture
def ledger(own_home: Path) -> Ledger:
    """This test's ledger."""
    return open_ledger()


@contextmanager
def when(moment: str, what: str, does: Callable[[], None]) -> Iterator[None]:
    """Do something the first time a run crosses this boundary of the ledger."""
    done = False

    def look(now: str, told: str) -> None:
        nonlocal done
        if not done and (now, told) == (moment, what):
            done = True
            does()

    watch_boundaries(look)
    try:
        yield
    finally:
        unwatch_boundaries(look)
    assert done, f"{moment} {what} was never crossed"


def gone() -> None:
    """What a database says that is away."""
    raise OperationalError("insert", {}, Exception("database or disk is full"))


@contextmanager
def away_from(moment: str, what: str) -> Iterator[None]:
    """From this boundary on the ledger takes nothing any more."""
    is_away = False

    def look(now: str, told: str) -> None:
        nonlocal is_away
        is_away = is_away or (now, told) == (moment, what)
        if is_away and now == "before":
            gone()

    watch_boundaries(look)
    try:
        yield
    finally:
        unwatch_boundaries(look)


def test_a_ledger_that_fills_up_before_acting_is_a_refusal(board: Path, ledger: Ledger) -> None:
    """When nothing can be recorded any more before the first step, nothing is changed and the run says refused."""
    with away_from("before", "act: enter act"):
        outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.REFUSED
    assert "full" in outcome.reason
    assert switchboard.changes(board) == []


def test_a_ledger_that_fills_up_while_acting_is_no_refusal(board: Path, ledger: Ledger) -> None:
    """After a step was begun the run never says that nothing was changed; the incident stays open for the next."""
    with away_from("before", "act: result"):
        outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "could not be recorded" in outcome.reason
    assert "free space" in outcome.hint
    with ledger.reading() as session:
        assert session.get_one(IncidentRow, outcome.incident).closed_at is None


def test_a_lease_lost_while_closing_ends_quietly(board: Path, ledger: Ledger) -> None:
    """Taken over in its last moment, a run says by its ending that another one has the incident."""

    def steal() -> None:
        with ledger.session() as session:
            leases.locked_row(session, "practice").fence += 1

    with when("after", "report: enter report", steal):
        outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.ALREADY_HANDLED
    with ledger.reading() as session:
        assert session.get_one(IncidentRow, outcome.incident).closed_at is None


def test_the_stop_lever_holds_the_undo_too(tmp_path: Path, ledger: Ledger) -> None:
    """Pulled while a run acts, the lever stops it there: no further step, no step back, and no worst case."""
    board = wire(tmp_path / "board", left="good", right="good")
    (board / "no-blunt").touch()

    def pull() -> None:
        with ledger.session() as session:
            levers.pull(session, "practice", "jane", "wrong target", datetime.now(UTC))

    with when("after", "act: plan is acting", pull):
        outcome = recover.fn(make_environment(), board, request=Request(insist=True), to="worse")

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "wrong target" in outcome.reason
    assert switchboard.changes(board) == []
    with ledger.reading() as session:
        [plan] = session.scalars(select(PlanRow).where(PlanRow.incident_id == outcome.incident))
        assert plan.state == "failed"


def test_no_secret_in_what_a_run_ends_with(
    board: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error that tells a key leaves it neither in the outcome nor in the timeline."""

    def odd(*_: object) -> None:
        raise ValueError(f"odd {KEY}")

    monkeypatch.setattr(switchboard, "_judged", odd)
    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.REFUSED
    assert "unexpected ValueError" in outcome.reason
    assert KEY not in outcome.model_dump_json()
    with ledger.reading() as session:
        assert KEY not in " ".join(row.text for row in timeline.entries(session, outcome.incident))
