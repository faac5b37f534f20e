"""What a plan will take is told before it acts, while it does and afterwards; late is called late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from flows import _report
from flows._messages import asking, page
from flows.report import report
from ledger.cases import Case
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow, PlanRow
from ledger.plans import predicted
from ledger.stories import Story, read_story
from rules.approvals import Policy, Requirement
from rules.outcomes import Ending
from rules.plans import Plan
from rules.predictions import ENOUGH, Prediction
from rules.report_periods import Period
from tests.flows.story import write_story
from tests.flows.story_facts import INCIDENT, OPENED, at, plan
from tests.ledger.samples import opened

KNOWN = Prediction(runs=23, promised=300, middle=40, bound=62.5, covers=0.958)
UNKNOWN = Prediction(runs=3, promised=300)


@pytest.fixture
def ledger(own_home: Path) -> Ledger:
    """This test's ledger."""
    return open_ledger()


def _carried_out(ledger: Ledger, number: int, seconds: float, **incident: object) -> None:
    """An earlier incident whose plan took so many seconds from acting to its proof."""
    name = write_story(ledger, incident=f"inc-20261121-0312-{number:06d}")
    with ledger.session() as session:
        session.execute(
            update(PlanRow)
            .where(PlanRow.incident_id == name)
            .values(acting_at=at(5), ended_at=at(5 + seconds))
        )
        if incident:
            session.execute(update(IncidentRow).where(IncidentRow.id == name).values(**incident))


def _foretold(case: Case, decided: Plan) -> Prediction:
    told = predicted(case, decided).prediction
    assert told is not None
    return told


def test_a_plan_rests_on_the_same_work_done_before(ledger: Ledger) -> None:
    """Verified plans of the same scenario, rung and kinds of change count; other work and dead runs do not."""
    for number in range(ENOUGH):
        _carried_out(ledger, number, 10.0 + number)
    _carried_out(ledger, 90, 900.0, runs=2)
    _carried_out(ledger, 91, 900.0, scenario="production-deploy-failure")

    case = opened(ledger)
    found = _foretold(case, plan())
    other = _foretold(case, plan().model_copy(update={"changes": plan().changes[:1]}))

    assert (found.runs, found.middle, found.bound, found.everywhere) == (ENOUGH, 14.0, 19.0, False)
    assert (other.runs, other.limit) == (0, 300.0), "another kind of change is other work"
    assert predicted(case, plan()).digest == plan().digest, "an approval stays valid"


def test_too_few_runs_here_are_helped_out_from_elsewhere(ledger: Ledger) -> None:
    """Eight runs here and one elsewhere are nine of all environments, and the plan says so."""
    for number in range(ENOUGH - 1):
        _carried_out(ledger, number, 10.0)
    _carried_out(ledger, 80, 30.0, environment="staging")

    found = _foretold(opened(ledger), plan())
    assert (found.runs, found.bound, found.everywhere) == (ENOUGH, 50.0, True)


def _story(ledger: Ledger, prediction: Prediction | None, **values: object) -> Story:
    """The story, still open, with a prediction on its plan."""
    write_story(ledger)
    decided = plan().model_copy(update={"prediction": prediction})
    body = decided.model_dump(mode="json")
    with ledger.session() as session:
        session.execute(update(IncidentRow).values(ending=None, closed_at=None))
        session.execute(update(PlanRow).values(body=body, **values))
    with ledger.reading() as session:
        return read_story(session, INCIDENT)


@pytest.mark.parametrize(
    ("prediction", "now", "told"),
    [
        (KNOWN, 135.0, "Predicted 40.0 s, at most 1 min 2 s, now 2 min 10 s: late."),
        (KNOWN, 40.0, "Predicted 40.0 s, at most 1 min 2 s, now 35.0 s: in time."),
        (UNKNOWN, 305.0, "Promised 5 min, now 5 min 5 s: late."),
    ],
)
def test_a_page_says_whether_the_run_is_late(
    ledger: Ledger, prediction: Prediction, now: float, told: str
) -> None:
    """Who is woken reads how long it should take and how long it has: or the promise, where nothing is known."""
    story = _story(ledger, prediction, state="acting", acting_at=at(5))

    assert told in page(story, "Level 1 was due.", at(now)).body
    assert "in time" not in page(story, "Level 1 was due.", at(now), run_is_dead=True).body


def test_who_is_asked_reads_how_long_it_will_take(ledger: Ledger) -> None:
    """The message that asks for an approval has the prediction, its range and what it rests on."""
    story = _story(ledger, KNOWN, state="pinned")
    decided = story.chapters[-1].plan

    message = asking(story, decided, Requirement(policy=Policy.ONE_APPROVER, reason="production"))

    assert "how long it takes: about 40.0 s, 96 % within 1 min 2 s (23 runs here)" in message.body
    unknown = decided.model_copy(update={"prediction": UNKNOWN})
    message = asking(story, unknown, Requirement(policy=Policy.ONE_APPROVER, reason="production"))
    assert "how long it takes: not known yet: 3 of 9 runs here; the runbook promises 5 min" in message.body


def test_the_report_has_the_prediction_beside_what_it_took(ledger: Ledger) -> None:
    """Afterwards both stand side by side, and the report over many incidents counts how often it held."""
    for number, seconds in enumerate((50.0, 62.0, 70.0)):
        _carried_out(ledger, number, seconds)
    body = plan().model_copy(update={"prediction": KNOWN}).model_dump(mode="json")
    with ledger.session() as session:
        session.execute(update(PlanRow).values(body=body))

    path = _report.write_report(ledger, "inc-20261121-0312-000002")
    counted = report.fn(Period.DAY, OPENED.date() + timedelta(days=1))

    for told in (path.read_text(), path.with_suffix(".md").read_text()):
        assert "about 40.0 s, 96 % within 1 min 2 s (23 runs here)" in told
        assert "took 1 min 10 s, longer than the prediction" in told
    assert "66.7 % of 3" in counted.page.read_text()
    assert Ending.RECOVERED in counted.page.read_text().lower()
