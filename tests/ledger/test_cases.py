"""A case writes while its lease is ours, journals before and after each effect, and never after a take-over."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger import cases, leases, levers, timeline
from ledger.cases import Case, current_case
from ledger.database import Ledger
from ledger.incidents import close_case, decide_ending, open_case
from ledger.models import ApprovalRow, IncidentRow, LeaseRow, PlanRow, StepRow, TimelineRow
from rules.errors import LeaseLost, RecoveryRefused, StepFailed
from rules.outcomes import Check, Effect, Ending, Phase, Verdict, Verification
from tests.ledger.samples import NOON, dead, opened, opening, plan


def take_over(case: Case) -> Case:
    """Let another run have the environment."""
    with case.ledger.session() as session:
        leases.locked_row(session, case.environment).holder = dead().model_dump()
    return opened(case.ledger)


def steps(case: Case) -> list[StepRow]:
    """The journal."""
    with case.ledger.reading() as session:
        return list(session.scalars(select(StepRow).order_by(StepRow.id)))


def test_nothing_is_committed_after_a_take_over(case: Case) -> None:
    """Whatever the old run still writes (phase, plan, step, ending, closing) leaves no trace."""
    other = take_over(case)
    with case.ledger.reading() as session:
        before = len(timeline.entries(session, case.incident_id))

    for write in (
        lambda: case.enter(Phase.ACT),
        lambda: case.record("note", "still here"),
        lambda: case.pin(plan()),
        lambda: case.keep_verification(Verification()),
        lambda: decide_ending(case, Ending.RECOVERED, "", ""),
        lambda: close_case(case),
    ):
        with pytest.raises(LeaseLost):
            write()  # type: ignore[no-untyped-call]  # lambdas have no types
    with case.may_act(), pytest.raises(LeaseLost):
        case.intend("turn", "left", 1)

    with case.ledger.reading() as session:
        assert len(timeline.entries(session, case.incident_id)) == before
        assert session.scalars(select(PlanRow)).all() == []
        assert session.scalars(select(StepRow)).all() == []
        row = session.get_one(IncidentRow, case.incident_id)
        assert (row.phase, row.closed_at, row.ending) == ("detect", None, None)
        assert session.get_one(LeaseRow, "prod").fence == other.fence


def test_a_take_over_in_the_middle_of_writing_waits_or_wins(case: Case) -> None:
    """While a fenced transaction is open nobody can take over: what it proved stays true until it commits."""
    held, done = threading.Event(), threading.Event()
    order: list[str] = []

    def other() -> None:
        held.wait(10)
        with case.ledger.session() as session:
            leases.locked_row(session, "prod").fence += 1
            order.append("taken over")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with case.writing("slowly") as session:
        held.set()
        time.sleep(0.3)
        case.append(session, "note", "written in time")
        order.append("written")
    thread.join(30)

    assert done.is_set()
    assert order == ["written", "taken over"]


def test_an_error_while_writing_leaves_nothing(case: Case) -> None:
    """A fenced transaction that fails is rolled back whole."""

    def write() -> None:
        with case.writing("half") as session:
            case.append(session, "note", "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()

    with case.ledger.reading() as session:
        assert [row.text for row in timeline.entries(session, case.incident_id) if row.text == "half"] == []


def test_the_intent_stands_before_the_effect_and_the_result_after(case: Case) -> None:
    """Between intent and result the journal says that something was begun, by whom and with which number."""
    case.enter(Phase.ACT)
    with case.may_act():
        step = case.intend("turn", "left", 2)
        [begun] = steps(case)
        assert (begun.action, begun.subject, begun.attempt, begun.fence) == ("turn", "left", 2, case.fence)
        assert (begun.result, begun.result_at, begun.phase) == (None, None, "act")

        case.conclude(step, Effect(subject="left", changed=True, before="bad", after="good"))

    [ended] = steps(case)
    assert ended.result == "changed"
    assert ended.result_at
    assert ended.result_at >= ended.intent_at
    assert ended.effect
    assert ended.effect["after"] == "good"


def test_a_failure_is_a_result_too(case: Case) -> None:
    """An action that raised is journalled as failed, with its error, and told in the timeline."""
    with case.may_act():
        case.conclude(case.intend("turn", "left", 1), None, "StepFailed: stuck")

    assert [(s.result, s.error) for s in steps(case)] == [("failed", "StepFailed: stuck")]
    with case.ledger.reading() as session:
        assert timeline.entries(session, case.incident_id)[-1].text == "turn left: failed. StepFailed: stuck"


@pytest.mark.parametrize("rehearsal", [True, False])
def test_who_may_not_act_journals_nothing(ledger: Ledger, *, rehearsal: bool) -> None:
    """In a rehearsal, and outside acting, an intent is refused and not written."""
    from ledger.holders import this_process

    case = open_case(ledger, opening(rehearsal=rehearsal), this_process(), 30)
    if not rehearsal:
        with case.may_act():
            pass  # over again

    with pytest.raises(RecoveryRefused, match="may not act"):
        case.intend("turn", "left", 1)

    assert steps(case) == []


def test_what_an_earlier_phase_left_running_may_not_act_in_a_later_one(case: Case) -> None:
    """A call that hung while acting and wakes up while the undo runs is refused."""
    woken, refused = threading.Event(), list[BaseException]()

    def hangs() -> None:
        woken.wait(10)
        try:
            case.intend("turn", "left", 1)
        except RecoveryRefused as error:
            refused.append(error)

    from contextvars import copy_context

    with case.may_act():
        thread = threading.Thread(target=copy_context().run, args=(hangs,))
        thread.start()
    with case.may_act():
        woken.set()
        thread.join(10)
        case.intend("turn", "right", 1)

    assert len(refused) == 1
    assert [step.subject for step in steps(case)] == ["right"]


def test_the_stop_lever_stops_the_next_step(case: Case) -> None:
    """Pulled while a run acts, the lever stops it before its next step; the reason is told."""
    with case.may_act():
        case.intend("turn", "left", 1)
        with case.ledger.session() as session:
            levers.pull(session, "prod", "jane", "wrong target", NOON)
        with pytest.raises(StepFailed, match=r"jane: wrong target") as stopped:
            case.intend("turn", "right", 1)

    assert "stop-lever off" in stopped.value.hint
    assert [step.subject for step in steps(case)] == ["left"]


def test_slept_through_its_lease_it_proves_it_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between intent and effect for longer than the lease lives, a run asks again before it acts."""
    clock = iter([0.0, 31.0, 31.0, 31.1])
    monkeypatch.setattr(cases, "_elapsed", lambda: next(clock))

    with case.may_act():
        case.intend("turn", "left", 1)

    assert [(step.subject, step.result) for step in steps(case)] == [("left", None)] * 2


def test_slept_through_its_lease_and_taken_over_it_stops(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, but somebody took over meanwhile: it is told so instead of acting."""
    calls = 0

    def slept() -> float:
        nonlocal calls
        calls += 1
        if calls == 2:  # after the commit, before the answer
            with case.ledger.session() as session:
                leases.locked_row(session, "prod").fence += 1
        return 31.0 * (calls - 1)

    monkeypatch.setattr(cases, "_elapsed", slept)
    with case.may_act(), pytest.raises(LeaseLost):
        case.intend("turn", "left", 1)


def test_secrets_do_not_reach_any_row(case: Case) -> None:
    """A key in a plan, a subject, an error, a detail or a note is redacted wherever it is written."""
    key = "AKIAIOSFODNN7EXAMPLE"
    case.pin(plan(after=key))
    case.record("note", f"saw {key}", {"key": key, "deep": [{"key": key}]})
    with case.may_act():
        step = case.intend("turn", key, 1)
        case.conclude(step, Effect(subject="x", changed=True, before=key, after=key, detail=key))
        case.conclude(case.intend("turn", "left", 2), None, f"denied for {key}")
    check = Check(name="c", verdict=Verdict.FAIL, reason=key)
    case.keep_verification(Verification.of([check]))
    decide_ending(case, Ending.NOT_RECOVERED, f"because {key}", f"revoke {key}")

    with case.ledger.reading() as session:
        for table in (IncidentRow, PlanRow, StepRow, TimelineRow, ApprovalRow):
            for row in session.scalars(select(table)):
                assert key not in str({c.name: getattr(row, c.name) for c in table.__table__.columns})


def test_the_lease_is_kept_alive_while_a_step_takes_long(ledger: Ledger) -> None:
    """A step longer than the lease does not lose it: it is renewed in the background."""
    case = opened(ledger, seconds=1)
    with case.kept_alive():
        time.sleep(1.6)
        with ledger.reading() as session:
            row = session.get_one(LeaseRow, "prod")
            assert leases.is_alive(row, cases.now())


def test_a_lost_lease_is_noticed_in_the_background(ledger: Ledger) -> None:
    """While a long step runs, a take-over is noticed within a third of the lease, and a pause ends at once."""
    from tasks.kinds import pause

    case = opened(ledger, seconds=1)
    token = current_case.set(case)
    try:
        with case.kept_alive():
            take_over(case)
            begun = time.monotonic()
            with pytest.raises(LeaseLost):
                pause(30)
            assert time.monotonic() - begun < 10
    finally:
        current_case.reset(token)


def test_an_approval_is_used_in_the_moment_acting_begins(case: Case) -> None:
    """A run that dies after the approval and before it acts leaves the answer usable; acting uses it up."""
    from ledger import approvals
    from rules.approvals import Answer, Decision

    case.pin(plan())
    with case.ledger.session() as session:
        answer = Answer(decision=Decision.APPROVE, approver="Ada")
        approvals.give(session, case.incident_id, plan().digest, answer, cases.now())

    again = take_over(case)
    with case.ledger.reading() as session:
        assert approvals.answers(session, case.incident_id, plan().digest, cases.now())

    again.mark_plan("acting")
    with case.ledger.reading() as session:
        assert approvals.answers(session, case.incident_id, plan().digest, cases.now()) == []


def test_a_full_ledger_stops_an_action_before_its_effect(tmp_path: Path) -> None:
    """When the intent cannot be written the action does not act."""
    from sqlalchemy import event

    from ledger.database import open_ledger

    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    case = opened(ledger)
    ledger.close()

    @event.listens_for(ledger.engine, "connect")
    def fill(connection: object, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # SQLite's own connection

    with case.may_act(), pytest.raises(RecoveryRefused, match="full"):
        case.intend("turn", "left " * 100_000, 1)
