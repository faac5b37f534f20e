"""Reading incidents and answering plans, with the real command on a real ledger."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import select, text

from cli.approve import approve
from ledger.cases import Case, now
from ledger.database import open_ledger
from ledger.models import ApprovalRow
from rules.outcomes import Phase

from .conftest import Backstop


def answers(case: Case) -> list[tuple[str, str, str, str]]:
    """Every recorded answer: decision, approver, comment, source."""
    with open_ledger().reading() as session:
        return [(r.decision, r.approver, r.comment, r.source) for r in session.scalars(select(ApprovalRow))]


def test_incidents_lists_what_is_open(backstop: Backstop, waiting: Case) -> None:
    """An open incident is listed with where it is, as text and as data."""
    said = backstop("incidents", "--open")
    told = backstop("incidents", "--json").data

    assert waiting.incident_id in said.out
    assert "open (guard)" in said.out
    assert [(one["incident"], one["ending"], one["phase"]) for one in told] == [
        (waiting.incident_id, None, "guard")
    ]


def test_filters_leave_others_out(backstop: Backstop, waiting: Case) -> None:
    """Filters by environment, scenario and ending hide what does not fit."""
    assert backstop("incidents", "--environment", "preprod", "--json").data == []
    assert backstop("incidents", "--scenario", "other", "--json").data == []
    assert backstop("incidents", "--ending", "not-recovered", "--json").data == []
    assert len(backstop("incidents", "--scenario", "canary-failure", "-e", "prod", "--json").data) == 1


def test_show_finds_an_incident_by_a_part_of_its_id(backstop: Backstop, waiting: Case) -> None:
    """`last`, the end of an id and the whole id show the same incident with plan and timeline."""
    for typed in ("last", waiting.incident_id[-6:], waiting.incident_id):
        told = backstop("show", typed, "--json").data

        assert told["incident"] == waiting.incident_id
        assert told["plans"][0]["changes"][0]["after"] == "v1"
        assert [entry["kind"] for entry in told["timeline"]][-2:] == ["phase", "guard"]
        assert told["timeline_broken_at"] is None


def test_show_says_when_the_timeline_was_altered(backstop: Backstop, waiting: Case) -> None:
    """Somebody who edits the ledger is found out in the place people look at."""
    with open_ledger().session() as session:
        session.execute(text("update timeline set text = 'all was well' where number = 2"))

    said = backstop("show", "last")

    assert "Entry 2 was altered" in said.out


def test_an_approval_is_recorded_for_the_plan_that_was_shown(backstop: Backstop, waiting: Case) -> None:
    """The non-interactive approval shows the plan and binds to its digest."""
    said = backstop("approve", "last", "--word", "ROLLBACK", "--by", "maria", "--comment", "agreed")

    assert said.code == 0
    assert "prod-sentiment-dashboard" in said.out
    assert answers(waiting) == [("approve", "maria", "agreed", "command")]


def test_a_rejection_is_recorded(backstop: Backstop, waiting: Case) -> None:
    """--reject says no."""
    assert backstop("approve", waiting.incident_id, "--reject", "--by", "maria").code == 0
    assert answers(waiting) == [("reject", "maria", "", "command")]


def test_the_wrong_word_records_nothing(backstop: Backstop, waiting: Case) -> None:
    """Only ROLLBACK and REJECT count; anything else ends with 2."""
    assert backstop("approve", "last", "--word", "yes", "--by", "maria").code == 2
    assert backstop("approve", "last", "--by", "maria").code == 2
    assert answers(waiting) == []


def test_an_approval_of_another_plan_is_refused(backstop: Backstop, waiting: Case) -> None:
    """A script that showed an older plan cannot approve the new one by mistake."""
    said = backstop("approve", "last", "--word", "ROLLBACK", "--by", "maria", "--digest", "0000")

    assert said.code == 3
    assert "not 0000" in said.err
    assert answers(waiting) == []


def test_nobody_answers_twice(backstop: Backstop, waiting: Case) -> None:
    """A second answer of the same person is refused with a hint."""
    backstop("approve", "last", "--word", "ROLLBACK", "--by", "maria")
    said = backstop("approve", "last", "--word", "ROLLBACK", "--by", "Maria")

    assert said.code == 3
    assert "somebody else" in said.err


def test_an_incident_that_does_not_wait_cannot_be_approved(backstop: Backstop, waiting: Case) -> None:
    """Once it acts there is nothing to answer any more."""
    waiting.enter(Phase.ACT)

    said = backstop("approve", "last", "--word", "ROLLBACK", "--by", "maria")

    assert said.code == 3
    assert "does not wait" in said.err


def test_the_stop_lever_is_pulled_and_let_go(backstop: Backstop) -> None:
    """`on` writes who and why where every recovery looks; `off` takes it back."""
    assert backstop("stop-lever", "on", "--reason", "network work", "--by", "maria").code == 0
    pulled = backstop("stop-lever", "status", "--json").data
    assert [(one["scope"], one["by"], one["reason"]) for one in pulled] == [("all", "maria", "network work")]

    assert backstop("stop-lever", "off").code == 0
    assert backstop("stop-lever", "status", "--json").data == []


class Terminal(io.StringIO):
    """Somebody at a terminal, typing these lines."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_somebody_at_a_terminal_is_asked(waiting: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --word the plan is shown and word, name and comment are asked for."""
    monkeypatch.setattr("sys.stdin", Terminal("ROLLBACK\nmaria\nlooks right\n"))

    assert approve("last") == 0
    assert answers(waiting) == [("approve", "maria", "looks right", "command")]


def test_a_closed_incident_cannot_be_approved(backstop: Backstop, waiting: Case) -> None:
    """What has ended does not wait any more, and the refusal says how it ended."""
    with open_ledger().session() as session:
        row = waiting.incident(session)
        row.closed_at, row.ending = now(), "refused"

    said = backstop("approve", waiting.incident_id, "--word", "ROLLBACK", "--by", "maria")

    assert said.code == 3
    assert "has ended: refused" in said.err
