"""People's answers: bound to one plan of one open incident, running out, used once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ledger import approvals, timeline
from ledger.cases import Case
from ledger.incidents import close_case, decide_ending
from rules.approvals import Answer, Decision
from rules.errors import RecoveryRefused
from rules.outcomes import Ending
from tests.ledger.samples import NOON, plan


@pytest.fixture
def waiting(case: Case) -> Case:
    """An incident that waits with a pinned plan."""
    case.pin(plan())
    return case


def give(
    case: Case,
    name: str,
    *,
    at: datetime = NOON,
    digest: str | None = None,
    incident: str | None = None,
    decision: Decision = Decision.APPROVE,
    comment: str = "",
) -> None:
    """Answer the waiting plan."""
    answer = Answer(decision=decision, approver=name, comment=comment)
    with case.ledger.session() as session:
        approvals.give(session, incident or case.incident_id, digest or plan().digest, answer, at)


def usable(case: Case, at: datetime = NOON) -> list[str]:
    """Who has answered in a way that counts now."""
    with case.ledger.reading() as session:
        return [a.approver for a in approvals.answers(session, case.incident_id, plan().digest, at)]


def test_an_answer_is_kept_and_told(waiting: Case) -> None:
    """It counts, and stands in the timeline with who gave it and how; its comment without secrets."""
    give(waiting, "Ada", comment="seen, key AKIAIOSFODNN7EXAMPLE")

    assert usable(waiting) == ["Ada"]
    with waiting.ledger.reading() as session:
        [answer] = approvals.answers(session, waiting.incident_id, plan().digest, NOON)
        last = timeline.entries(session, waiting.incident_id)[-1]
    assert answer.comment == "seen, key [redacted:aws-key-id]"
    assert (last.kind, last.text) == ("approval", "approve by Ada through command")
    assert "AKIA" not in str(last.data)


def test_another_plan_is_refused(waiting: Case) -> None:
    """An answer to a plan that the incident does not wait with is refused; the hint says to read it again."""
    with pytest.raises(RecoveryRefused, match="does not wait for an approval of plan") as refused:
        give(waiting, "Ada", digest=plan(after="other").digest)

    assert plan().digest[:12] in refused.value.message
    assert "backstop show" in refused.value.hint
    assert usable(waiting) == []


@pytest.mark.parametrize("state", ["acting", "void", "failed", "undone", "verified"])
def test_a_plan_that_no_longer_waits_is_refused(waiting: Case, state: str) -> None:
    """Once it acts, or was given up, nobody can approve a plan any more."""
    waiting.mark_plan(state)
    with pytest.raises(RecoveryRefused, match="waits for nothing"):
        give(waiting, "Ada")


def test_an_incident_without_a_plan_is_refused(case: Case) -> None:
    """Before anything was decided there is nothing to approve."""
    with pytest.raises(RecoveryRefused, match="waits for nothing"):
        give(case, "Ada")


def test_no_such_incident_is_refused(waiting: Case) -> None:
    """An unknown incident is one clear refusal."""
    with pytest.raises(RecoveryRefused, match="no open incident inc-nowhere"):
        give(waiting, "Ada", incident="inc-nowhere")


def test_a_closed_incident_is_refused(waiting: Case) -> None:
    """After its end an incident takes no answers."""
    decide_ending(waiting, Ending.REFUSED, "nobody answered", "")
    close_case(waiting)
    with pytest.raises(RecoveryRefused, match="no open incident"):
        give(waiting, "Ada")


@pytest.mark.parametrize("again", ["Ada", "ada", "  ADA ", "\uff21da", "A\u200bda"])
def test_one_person_answers_once(waiting: Case, again: str) -> None:
    """However the name is typed the second time, it is the same person's."""
    give(waiting, "Ada")
    with pytest.raises(RecoveryRefused, match="has answered this plan already"):
        give(waiting, again)

    assert usable(waiting) == ["Ada"]


def test_an_answer_runs_out(waiting: Case) -> None:
    """After a quarter of an hour an answer counts no more; the same person may give it again."""
    give(waiting, "Ada")
    late = NOON + approvals.LIFE

    assert usable(waiting, late - timedelta(seconds=1)) == ["Ada"]
    assert usable(waiting, late) == []

    give(waiting, "Ada", at=late)
    assert usable(waiting, late) == ["Ada"]


def test_an_answer_is_used_once(waiting: Case) -> None:
    """Used for one acting it counts no more, and cannot be given again for the same plan."""
    give(waiting, "Ada")
    give(waiting, "Ben")
    with waiting.ledger.session() as session:
        approvals.use(session, waiting.incident_id, plan().digest, NOON)

    assert usable(waiting) == []
    with pytest.raises(RecoveryRefused, match="already"):
        give(waiting, "Ada", at=NOON + 2 * approvals.LIFE)


def test_answers_come_oldest_first_with_what_was_said(waiting: Case) -> None:
    """Each answer comes back as it was given, in the order in which they came."""
    give(waiting, "Ada")
    give(waiting, "Ben", decision=Decision.REJECT, comment="not now")
    with waiting.ledger.reading() as session:
        ada, ben = approvals.answers(session, waiting.incident_id, plan().digest, NOON)

    assert (ada.approver, ada.decision, ada.at) == ("Ada", Decision.APPROVE, NOON)
    assert (ben.approver, ben.decision, ben.comment) == ("Ben", Decision.REJECT, "not now")


def test_a_new_plan_has_no_answers(waiting: Case) -> None:
    """When the world drifts and another plan is pinned, no answer is carried over."""
    give(waiting, "Ada")
    waiting.mark_plan("void")
    waiting.pin(plan(after="other"))
    with waiting.ledger.reading() as session:
        assert approvals.answers(session, waiting.incident_id, plan(after="other").digest, NOON) == []
