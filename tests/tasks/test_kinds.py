"""Probes and actions outside a flow run: the same retries, the fence, the journal, and no secret told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from blocks.settings import settings
from ledger import leases, timeline
from ledger.cases import Case, current_case
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from ledger.models import StepRow
from rules.errors import LeaseLost, RecoveryRefused, StepFailed, TransientFailure
from rules.outcomes import Effect
from tasks import kinds
from tasks.kinds import action, in_parallel, pause, probe, say, scaled

KEY = "AKIAIOSFODNN7EXAMPLE"


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


@probe(retries=1)
def knock_twice(door: Door) -> str:
    """Knock, and once more.

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


def steps(case: Case) -> list[tuple[str, int, str | None]]:
    """The journal: subject, attempt, result."""
    with case.ledger.reading() as session:
        rows = session.scalars(select(StepRow).order_by(StepRow.id))
        return [(row.subject, row.attempt, row.result) for row in rows]


def test_a_probe_is_tried_again_after_a_transient_failure() -> None:
    """Throttled twice, a probe answers at the third try."""
    door = Door(TransientFailure("slow down"), TransientFailure("slow down"))

    assert knock(door) == "who is there?"
    assert door.tries == 3


def test_a_probe_gives_up_after_its_retries() -> None:
    """After the first try and its retries the last error is raised as it is."""
    errors = [TransientFailure(f"slow down {n}") for n in range(9)]

    with pytest.raises(TransientFailure, match="slow down 1"):
        knock_twice(Door(*errors))
    door = Door(*errors)
    with pytest.raises(TransientFailure, match="slow down 4"):
        knock(door)
    assert door.tries == 5


@pytest.mark.parametrize("error", [StepFailed("broken"), ZeroDivisionError("odd"), LeaseLost("gone")])
def test_nothing_else_is_tried_again(error: Exception) -> None:
    """Any other error, known or unknown, passes through whole at the first try."""
    door = Door(error)

    with pytest.raises(type(error)) as raised:
        knock(door)

    assert raised.value is error
    assert door.tries == 1


def test_an_action_outside_an_incident_changes_nothing() -> None:
    """Called by hand, an action is refused before it does anything."""
    door = Door()
    with pytest.raises(RecoveryRefused, match="open_door was called outside an incident"):
        open_door(door)

    assert door.tries == 0


def test_an_action_in_a_rehearsal_changes_nothing(own_home: Path) -> None:
    """A rehearsal that calls an action is a fault of the flow: refused, nothing changed, nothing journalled."""
    from ledger.database import open_ledger

    opening = Opening("test", "practice", "staging", 60, rehearsal=True)
    case = open_case(open_ledger(), opening, this_process(), 30)
    token, door = current_case.set(case), Door()
    try:
        with case.may_act(), pytest.raises(RecoveryRefused, match="may not act"):
            open_door(door)
    finally:
        current_case.reset(token)

    assert door.tries == 0
    assert steps(case) == []


def test_an_action_after_a_lost_lease_changes_nothing(acting: Case) -> None:
    """Taken over, a run's next action is refused before it does anything."""
    with acting.ledger.session() as session:
        leases.locked_row(session, "practice").fence += 1
    door = Door()

    with pytest.raises(LeaseLost):
        open_door(door)

    assert door.tries == 0


def test_an_action_journals_every_attempt(acting: Case) -> None:
    """Each try has an entry of its own, with its number and what became of it; a repetition changes nothing."""
    door = Door(TransientFailure("slow down"))

    assert open_door(door, name="back").changed
    assert not open_door(door, name="back").changed

    assert steps(acting) == [
        ("door back", 1, "failed"),
        ("door back", 2, "changed"),
        ("door back", 1, "unchanged"),
    ]


@pytest.mark.parametrize(
    "error", [StepFailed("stuck"), ValueError("odd"), KeyboardInterrupt(), SystemExit(2)]
)
def test_whatever_stops_an_action_is_journalled(acting: Case, error: BaseException) -> None:
    """The result stands in the journal also when the effect raised, or the run was interrupted."""
    with pytest.raises(type(error)):
        open_door(Door(error))

    assert steps(acting) == [("door front", 1, "failed")]


def test_an_action_gives_up_after_its_retries(acting: Case) -> None:
    """An action is tried three times at most."""
    door = Door(*[TransientFailure("slow down")] * 9)
    with pytest.raises(TransientFailure):
        open_door(door)

    assert [attempt for _, attempt, _ in steps(acting)] == [1, 2, 3]


def test_all_are_waited_for_before_the_first_error_is_raised(acting: Case) -> None:
    """Of three at once, two fail and the third is slow: it is done when the first one's error is raised."""
    slow = Door()

    def slowly() -> object:
        time.sleep(0.3)
        return open_door(slow, name="slow")

    calls: list[Callable[[], object]] = [
        partial(open_door, Door(StepFailed("first")), name="one"),
        slowly,
        partial(open_door, Door(StepFailed("second")), name="three"),
    ]
    with pytest.raises(StepFailed, match="first"):
        in_parallel(calls)

    assert slow.opened == 1
    assert sorted(steps(acting)) == [
        ("door one", 1, "failed"),
        ("door slow", 1, "changed"),
        ("door three", 1, "failed"),
    ]


def test_results_come_in_the_order_of_the_calls() -> None:
    """Whoever ends first, the results are in order; none, one and many calls work alike."""

    def after(seconds: float, number: int) -> int:
        time.sleep(seconds)
        return number

    assert in_parallel([partial(after, 0.05 - n / 100, n) for n in range(5)]) == list(range(5))
    assert in_parallel([partial(after, 0, 7)]) == [7]
    assert in_parallel(list[partial[int]]()) == []


def test_at_most_sixteen_run_at_once() -> None:
    """Forty calls do not become forty connections."""
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    in_parallel([work] * 40)

    assert 1 < most <= kinds.MOST_AT_ONCE


def test_a_hung_call_holds_up_neither_the_limit_nor_the_undo(acting: Case) -> None:
    """When time is over while a call hangs, the caller goes on at once, and the call may not act any more."""
    from flows._limits import within

    woken, refused, late = threading.Event(), list[BaseException](), Door()

    def hangs() -> None:
        woken.wait(20)
        try:
            open_door(late, name="late")
        except RecoveryRefused as error:
            refused.append(error)
            woken.clear()

    calls: list[Callable[[], object]] = [hangs, partial(open_door, Door(), name="quick")]
    begun = time.monotonic()
    with acting.may_act(), pytest.raises(StepFailed, match="took longer"), within(0.3, "acting"):
        in_parallel(calls)
    assert time.monotonic() - begun < 5

    with acting.may_act():
        woken.set()
        deadline = time.monotonic() + 10
        while not refused and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(refused) == 1
    assert late.tries == 0


def test_secrets_do_not_reach_the_journal(acting: Case) -> None:
    """A key in an argument or an error stands neither in a step nor in the timeline."""
    open_door(Door(), name=KEY)
    for error in (StepFailed(f"no {KEY}"), ValueError(f"no {KEY}"), KeyError(KEY)):
        with pytest.raises(Exception, match="redacted") as raised:
            open_door(Door(error))
        assert KEY not in f"{raised.value!r} {raised.value}"

    with acting.ledger.reading() as session:
        for row in session.scalars(select(StepRow)):
            assert KEY not in f"{row.subject} {row.error} {row.effect}"
        for entry in timeline.entries(session, acting.incident_id):
            assert KEY not in f"{entry.text} {entry.data}"


def test_an_error_that_cannot_be_redacted_is_replaced() -> None:
    """An error that keeps its text elsewhere than in its arguments becomes a failed step with the safe text."""

    class Stubborn(Exception):
        def __str__(self) -> str:
            return f"token {KEY}"

    with pytest.raises(StepFailed, match="Stubborn: token") as raised:
        knock(Door(Stubborn()))

    assert KEY not in str(raised.value)


def test_progress_is_told_redacted(caplog: pytest.LogCaptureFixture) -> None:
    """Outside a flow run a line of progress is in our own log, without its secrets."""
    with caplog.at_level(logging.INFO, logger="backstop"):
        say(f"using {KEY}")

    assert [record.getMessage() for record in caplog.records] == ["using [redacted:aws-key-id]"]


def test_a_traceback_is_told_redacted(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does the traceback of an unexpected error tell a secret."""
    try:
        raise ValueError(f"no {KEY}")  # noqa: TRY301 - a traceback is what this is about
    except ValueError:
        logging.getLogger("backstop").exception("failed with %s", KEY)

    assert "ValueError: no [redacted" in caplog.text
    assert KEY not in caplog.text


def test_periods_are_scaled() -> None:
    """One setting makes every period of an installation shorter or longer."""
    assert scaled(10) == pytest.approx(0.2)


def test_a_pause_ends_when_the_lease_is_lost(acting: Case) -> None:
    """A pause of an hour is over in the moment somebody takes over."""
    threading.Timer(0.1, acting.lost.set).start()

    with pytest.raises(LeaseLost):
        pause(3600)


def test_the_plain_function_is_there() -> None:
    """Tests and other code can call the function under a probe with no retry at all."""
    door = Door(TransientFailure("slow down"))
    with pytest.raises(TransientFailure):
        knock.fn(door)

    assert door.tries == 1
