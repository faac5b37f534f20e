"""What an ended incident rests on is sealed: whoever changes a row of it is found."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, update

from ledger import approvals, timeline
from ledger.cases import Case
from ledger.incidents import close_case, decide_ending
from ledger.models import ApprovalRow, IncidentRow, PlanRow, StepRow
from ledger.tables import Base
from rules.approvals import Answer, Decision
from rules.outcomes import Effect, Ending, Phase
from tests.ledger.samples import NOON, plan

CHANGES: list[tuple[type[Base], dict[str, Any]]] = [
    (PlanRow, {"digest": "f" * 64}),
    (PlanRow, {"body": {"title": "forged"}}),
    (PlanRow, {"state": "failed"}),
    (ApprovalRow, {"approver": "Mallory"}),
    (ApprovalRow, {"decision": "reject"}),
    (StepRow, {"subject": "another table"}),
    (StepRow, {"effect": {"changed": False}}),
    (IncidentRow, {"ending": "not-recovered"}),
    (IncidentRow, {"opened_by": "Mallory"}),
]


@pytest.fixture
def ended(case: Case) -> Case:
    """An incident with a plan, an approval and a step, that has ended and is closed."""
    case.pin(plan())
    with case.ledger.session() as session:
        answer = Answer(decision=Decision.APPROVE, approver="Ada", comment="go")
        approvals.give(session, case.incident_id, plan().digest, answer, NOON)
    case.enter(Phase.ACT)
    with case.may_act():
        step = case.intend("turn", "left", 1)
        case.conclude(step, Effect(subject="left", changed=True, after="right"))
    case.mark_plan("verified")
    decide_ending(case, Ending.RECOVERED, "it turned", "look again tomorrow")
    close_case(case)
    return case


def test_an_ended_incident_is_whole(ended: Case) -> None:
    """What goes on after the ending, such as closing, breaks no seal."""
    with ended.ledger.session() as session:
        session.execute(update(IncidentRow).values(runs=7, alarm_id="another", seconds={"act": 3.0}))
        assert timeline.broken_at(session, ended.incident_id) is None


@pytest.mark.parametrize(("table", "forged"), CHANGES, ids=lambda told: getattr(told, "__name__", str(told)))
def test_a_changed_row_is_found(ended: Case, table: type[Base], forged: dict[str, Any]) -> None:
    """A plan, an approval, a step or the incident itself: the chain is broken at the ending, and `doctor` says so."""
    with ended.ledger.session() as session:
        session.execute(update(table).values(forged))
        kinds = {row.number: row.kind for row in timeline.entries(session, ended.incident_id)}
        assert kinds[timeline.broken_at(session, ended.incident_id) or 0] == "ending"
        assert timeline.incidents_with_a_broken_chain(session) == [ended.incident_id]


@pytest.mark.parametrize("table", [PlanRow, ApprovalRow, StepRow])
def test_a_removed_row_is_found(ended: Case, table: type[Base]) -> None:
    """What never happened cannot be made of what did."""
    with ended.ledger.session() as session:
        session.execute(delete(table))
        assert timeline.broken_at(session, ended.incident_id)
