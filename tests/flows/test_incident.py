"""The frame's promises, on the smallest real world."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto import mock_aws
from sqlalchemy import select

from blocks.aws_account import AwsAccount
from flows._incident import Request
from ledger import approvals, holders, incidents, leases, levers, timeline
from ledger.database import Ledger, open_ledger, unwatch_boundaries, watch_boundaries
from ledger.models import EscalationRow, IncidentRow, LeaseRow, PlanRow, StepRow
from rules.approvals import Answer, Decision
from rules.freezes import FreezeWindow
from rules.outcomes import Ending, Outcome, Phase
from rules.severity import Destructiveness, Tier
from tests import switchboard
from tests.switchboard import make_environment, recover, turn, wire


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


def phases(ledger: Ledger, outcome: Outcome) -> list[str]:
    """The phases an incident went through."""
    with ledger.reading() as session:
        return [row.phase for row in timeline.entries(session, outcome.incident) if row.kind == "phase"]


def test_it_recovers_and_says_so(board: Path, ledger: Ledger) -> None:
    """A broken board is repaired once, in the order of the phases, and the lease is given back."""
    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.RECOVERED, outcome
    assert switchboard.read(board) == {"left": "good", "right": "good"}
    assert sorted(switchboard.changes(board)) == ["left: bad -> good", "right: bad -> good"]
    assert phases(ledger, outcome) == ["detect", "decide", "guard", "snapshot", "act", "verify", "report"]
    assert outcome.plan
    assert {c.subject for c in outcome.plan.changes} == {"left", "right"}
    with ledger.reading() as session:
        assert session.get_one(LeaseRow, "practice").incident_id is None
        assert session.get_one(IncidentRow, outcome.incident).closed_at is not None
        assert timeline.broken_at(session, outcome.incident) is None
        assert {step.result for step in session.scalars(select(StepRow))} == {"changed"}


def test_nothing_to_do(tmp_path: Path, ledger: Ledger) -> None:
    """On a healthy board nothing is planned and nothing is changed."""
    board = wire(tmp_path / "board", left="good", right="good")

    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.NOTHING_TO_DO
    assert outcome.plan is None
    assert switchboard.changes(board) == []


def test_a_rehearsal_changes_nothing_and_plans_what_the_real_run_does(board: Path, ledger: Ledger) -> None:
    """A rehearsal's plan is the one the real run then carries out; the rehearsal itself journals no step."""
    rehearsed = recover.fn(make_environment(), board, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED
    assert switchboard.changes(board) == []
    with ledger.reading() as session:
        assert session.scalars(select(StepRow)).all() == []

    real = recover.fn(make_environment(), board)

    assert rehearsed.plan
    assert real.plan
    assert real.plan.digest == rehearsed.plan.digest
    assert rehearsed.plan.prediction
    assert (rehearsed.plan.prediction.runs, rehearsed.plan.prediction.bound) == (0, None), "not known yet"
    done = sorted(f"{c.subject}: {c.before} -> {c.after}" for c in rehearsed.plan.changes)
    assert sorted(switchboard.changes(board)) == done


def test_an_action_in_a_rehearsal_is_refused(board: Path) -> None:
    """Outside an incident that may act, an action raises and changes nothing."""
    from rules.errors import RecoveryRefused

    with pytest.raises(RecoveryRefused, match="outside an incident"):
        turn(board, "left", "good")

    assert switchboard.changes(board) == []


def test_a_busy_world_is_read_again(board: Path) -> None:
    """A transient failure of a probe costs a retry, not the recovery."""
    (board / "busy").touch()

    assert recover.fn(make_environment(), board).ending is Ending.RECOVERED


def test_when_a_rung_cannot_help_the_next_one_does(board: Path) -> None:
    """Without a way back on the first rung, the second one recovers."""
    (board / "no-gentle").touch()

    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.RECOVERED
    assert outcome.plan
    assert outcome.plan.rung == "blunt"


def test_not_recovered_when_every_rung_fails(board: Path, ledger: Ledger) -> None:
    """A stuck switch on both rungs ends as not recovered, and the broken state before is not restored."""
    (board / "stuck-left").touch()

    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "left is stuck" in outcome.reason
    assert switchboard.read(board)["right"] == "good"
    with ledger.reading() as session:
        assert [row.state for row in session.scalars(select(PlanRow))] == ["failed", "failed"]


def test_undone_where_the_state_before_was_better(tmp_path: Path, ledger: Ledger) -> None:
    """When acting broke what was whole and mended nothing, every step is taken back, the last one first."""
    board = wire(tmp_path / "board", left="good", right="good")
    (board / "no-blunt").touch()

    outcome = recover.fn(make_environment(), board, request=Request(insist=True), to="worse")

    assert outcome.ending is Ending.NOT_RECOVERED
    assert switchboard.read(board) == {"left": "good", "right": "good"}
    assert switchboard.changes(board)[2:] == ["right: worse -> good", "left: worse -> good"]
    with ledger.reading() as session:
        assert [row.state for row in session.scalars(select(PlanRow))] == ["undone"]


def test_a_failing_undo_is_the_worst_ending(tmp_path: Path, ledger: Ledger) -> None:
    """When a step back fails the others are still tried, and the ending is undo failed."""
    board = wire(tmp_path / "board", left="good", right="good")
    (board / "jammed-right-good").touch()

    outcome = recover.fn(make_environment(), board, request=Request(insist=True), to="worse")

    assert outcome.ending is Ending.UNDO_FAILED
    assert switchboard.read(board) == {"left": "good", "right": "worse"}


def test_an_unknown_state_is_refused(board: Path) -> None:
    """When health cannot be judged nothing is changed, and the reason says which check."""
    (board / "fog").touch()

    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.REFUSED
    assert "fog" in outcome.reason
    assert switchboard.changes(board) == []


def test_a_board_that_cannot_be_read_is_refused(board: Path) -> None:
    """A failing probe before anything was changed ends as refused, with the probe's hint."""
    (board / "blind").touch()

    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.REFUSED
    assert outcome.hint == "remove `blind`"


def test_another_account_is_refused(board: Path) -> None:
    """Credentials of another account change nothing."""
    other = AwsAccount(account_id="999999999999", region="us-east-1")

    outcome = recover.fn(make_environment(account=other), board)

    assert outcome.ending is Ending.REFUSED
    assert "123456789012" in outcome.reason
    assert switchboard.changes(board) == []


def test_the_stop_lever_holds_everything(board: Path, ledger: Ledger) -> None:
    """While the lever is pulled nothing acts; let go, the same run recovers."""
    with ledger.session() as session:
        levers.pull(session, levers.EVERYWHERE, "jane", "network work", datetime.now(UTC))

    refused = recover.fn(make_environment(), board)
    assert refused.ending is Ending.REFUSED
    assert "jane" in refused.reason
    assert switchboard.changes(board) == []

    with ledger.session() as session:
        assert levers.let_go(session, levers.EVERYWHERE)
    assert recover.fn(make_environment(), board).ending is Ending.RECOVERED


def test_a_freeze_is_passed_only_by_break_glass(board: Path, ledger: Ledger) -> None:
    """In a freeze window a run is refused, unless it says why it must act all the same."""
    now = datetime.now(UTC)
    freeze = FreezeWindow(start=now - timedelta(hours=1), end=now + timedelta(hours=1), reason="year's end")
    environment = make_environment(freeze_windows=[freeze])

    assert recover.fn(environment, board).ending is Ending.REFUSED
    assert switchboard.changes(board) == []

    urgent = Request(requested_by="jane", break_glass="customers cannot log in")
    outcome = recover.fn(environment, board, request=urgent)

    assert outcome.ending is Ending.RECOVERED
    with ledger.reading() as session:
        told = [row.text for row in timeline.entries(session, outcome.incident) if row.kind == "approval"]
    assert told == ["break-glass by jane through policy"]


def test_a_live_incident_is_not_handled_twice(board: Path, ledger: Ledger) -> None:
    """A second start while the first run lives ends as already handled and says by whom."""
    holder = holders.this_process()
    opening = incidents.Opening("switch-failure", "practice", "staging", 60)
    first = incidents.open_case(ledger, opening, holder, 30)

    outcome = recover.fn(make_environment(), board)

    assert outcome.ending is Ending.ALREADY_HANDLED
    assert first.incident_id in outcome.reason
    assert f"pid {holder.pid}" in outcome.reason
    assert switchboard.changes(board) == []


def test_another_scenarios_incident_is_waited_for(
    board: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another scenario holds the environment, a run waits; when it is free, it looks and recovers."""
    opening = incidents.Opening("other-failure", "practice", "staging", 60)
    other = incidents.open_case(ledger, opening, holders.this_process(), 30)

    def end_it() -> None:
        incidents.decide_ending(other, Ending.RECOVERED, "done", "")
        incidents.close_case(other)

    timer = threading.Timer(0.3, end_it)
    timer.start()
    outcome = recover.fn(make_environment(), board)
    timer.join()

    assert outcome.ending is Ending.RECOVERED


def test_a_dead_runs_incident_is_taken_over_with_its_plan(board: Path, ledger: Ledger) -> None:
    """Starting again after a death half way is resuming: the pinned plan, a higher fence, no new decision."""
    environment = make_environment()
    (board / "stuck-right").touch()
    case = _dies_while_acting(board, ledger, environment)
    (board / "stuck-right").unlink()
    (board / "left").write_text("good")  # half of it is done: looking again would plan something else

    outcome = recover.fn(environment, board)

    assert outcome.incident == case
    assert outcome.ending is Ending.RECOVERED
    assert switchboard.read(board) == {"left": "good", "right": "good"}
    with ledger.reading() as session:
        assert len(session.scalars(select(PlanRow)).all()) == 1
        assert session.get_one(LeaseRow, "practice").fence == 2
        assert session.get_one(IncidentRow, case).runs == 2


def _dies_while_acting(board: Path, ledger: Ledger, environment: object) -> str:
    """Leave what a killed run would: a pinned plan that acts, and the lease of a dead process."""
    from ledger import plans
    from rules.outcomes import Check, Finding, Verdict, Verification
    from rules.plans import Change, Plan
    from rules.severity import Severity

    dead = holders.this_process().model_copy(update={"pid": 2**22 + 1})
    opening = incidents.Opening("switch-failure", "practice", "staging", 60)
    case = incidents.open_case(ledger, opening, dead, 30)
    broken = Verification.of([Check(name="left", verdict=Verdict.FAIL, reason="is bad")])
    incidents.keep_finding(case, Finding(health=broken, severity=Severity.MEDIUM, summary="bad"))
    both = tuple(Change(subject=s, before="bad", after="good") for s in ("left", "right"))
    case.pin(
        Plan(
            scenario="switch-failure",
            environment="practice",
            rung="gentle",
            title="Turn",
            target="good",
            changes=both,
        )
    )
    plans.keep_snapshot(case, lambda: {"left": "bad", "right": "bad"})
    case.phase = Phase.ACT
    case.mark_plan("acting")
    return case.incident_id


def test_a_run_that_lost_its_lease_stops(board: Path, ledger: Ledger) -> None:
    """When another run takes over in mid-act, the first one changes nothing more and writes nothing more."""
    environment = make_environment()

    def steal(moment: str, what: str) -> None:
        if (moment, what) == ("after", "act: enter act"):
            with ledger.session() as session:
                leases.locked_row(session, "practice").fence += 1

    watch_boundaries(steal)
    try:
        outcome = recover.fn(environment, board)
    finally:
        unwatch_boundaries(steal)

    assert outcome.ending is Ending.ALREADY_HANDLED
    assert "taken over" in outcome.reason
    assert switchboard.changes(board) == []
    with ledger.reading() as session:
        assert session.get_one(IncidentRow, outcome.incident).closed_at is None


def test_nobody_answering_is_refused(board: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that needs an approval and gets none ends as refused; nothing was changed."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "20")
    settings.cache_clear()
    environment = make_environment(tier=Tier.PRODUCTION, automatic_up_to=None)

    outcome = recover.fn(environment, board, destructiveness=Destructiveness.DESTRUCTIVE)

    assert outcome.ending is Ending.REFUSED
    assert "2 of 2 approvals missing" in outcome.reason
    assert switchboard.changes(board) == []


def test_two_people_must_agree_and_the_requester_is_neither(board: Path, ledger: Ledger) -> None:
    """The requester's own answer does not count; two others' do, each is used once."""
    environment = make_environment(tier=Tier.PRODUCTION, automatic_up_to=None)
    helpers = threading.Thread(target=_answers, args=(ledger, ["Jane", "Ben", "Ada"]))
    helpers.start()
    outcome = recover.fn(
        environment, board, destructiveness=Destructiveness.DESTRUCTIVE, request=Request(requested_by="jane")
    )
    helpers.join()

    assert outcome.ending is Ending.RECOVERED
    with ledger.reading() as session:
        granted = [r.text for r in timeline.entries(session, outcome.incident) if r.kind == "guard"]
    assert granted[-1] == "approved by Ben and Ada"


def test_a_rejection_refuses(board: Path, ledger: Ledger) -> None:
    """One no outweighs a yes, and nothing is changed."""
    environment = make_environment(tier=Tier.PRODUCTION, automatic_up_to=None)
    helpers = threading.Thread(target=_answers, args=(ledger, ["Ben"], Decision.REJECT))
    helpers.start()
    outcome = recover.fn(environment, board, destructiveness=Destructiveness.DESTRUCTIVE)
    helpers.join()

    assert outcome.ending is Ending.REFUSED
    assert "rejected by Ben" in outcome.reason
    assert switchboard.changes(board) == []


def _answers(ledger: Ledger, names: list[str], decision: Decision = Decision.APPROVE) -> None:
    """Answer, one after the other, as soon as a plan waits."""
    for name in names:
        for _ in range(400):
            with ledger.session() as session:
                row = incidents.open_row(session, "switch-failure", "practice")
                plan = session.get(PlanRow, row.plan_id) if row and row.plan_id else None
                if row and plan and row.phase == "guard":
                    answer = Answer(decision=decision, approver=name, comment="seen")
                    approvals.give(session, row.id, plan.digest, answer, datetime.now(UTC))
                    break
            threading.Event().wait(0.02)


def test_a_world_that_drifts_while_waiting_voids_the_answer(board: Path, ledger: Ledger) -> None:
    """An approval binds to the plan it saw: when the world changed, it is void and asked anew."""
    environment = make_environment(tier=Tier.PRODUCTION, automatic_up_to=None)

    def drift_then_answer() -> None:
        for _ in range(400):
            with ledger.reading() as session:
                row = incidents.open_row(session, "switch-failure", "practice")
                if row and row.phase == "guard":
                    break
            threading.Event().wait(0.02)
        (board / "left").write_text("worse")
        _answers(ledger, ["Ben", "Ada"])
        for _ in range(400):
            with ledger.reading() as session:
                if len(session.scalars(select(PlanRow)).all()) == 2:
                    break
            threading.Event().wait(0.02)
        _answers(ledger, ["Ben", "Ada"])

    helper = threading.Thread(target=drift_then_answer)
    helper.start()
    outcome = recover.fn(environment, board, destructiveness=Destructiveness.DESTRUCTIVE)
    helper.join()

    assert outcome.ending is Ending.RECOVERED
    with ledger.reading() as session:
        assert [row.state for row in session.scalars(select(PlanRow).order_by(PlanRow.id))] == [
            "void",
            "verified",
        ]
    assert "left: worse -> good" in switchboard.changes(board)


def test_escalations_are_gone_after_a_recovery(board: Path, ledger: Ledger) -> None:
    """A recovered incident leaves no level that could still page somebody."""
    recover.fn(make_environment(), board)

    with ledger.reading() as session:
        assert [r for r in session.scalars(select(EscalationRow)) if r.cancelled_at is None] == []
