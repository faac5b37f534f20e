"""Incidents: one open for each scenario and environment, taken over when its run is dead, closed once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ledger import escalations, incidents, leases, plans, timeline
from ledger.cases import Case, now
from ledger.database import Ledger
from ledger.holders import this_process
from ledger.incidents import (
    close_case,
    decide_ending,
    ending_of,
    keep_finding,
    listed,
    open_case,
    open_row,
    orphaned,
    phase_seconds,
    stored_finding,
)
from ledger.models import EscalationRow, IncidentRow, LeaseRow
from rules.errors import AlreadyHandled, LeaseHeld
from rules.outcomes import Ending, Phase
from tests.ledger.samples import MINUTE, NOON, broken, dead, elsewhere, opened, opening, plan


def test_opening_takes_the_lease_and_says_who(ledger: Ledger) -> None:
    """A new incident has its environment's lease, and its first entry says who opened it with which number."""
    case = opened(ledger)

    assert (case.fence, case.resumed, case.phase) == (1, False, Phase.DETECT)
    with ledger.reading() as session:
        assert session.get_one(LeaseRow, "prod").incident_id == case.incident_id
        [entry] = timeline.entries(session, case.incident_id)
        row = session.get_one(IncidentRow, case.incident_id)
    assert entry.text == f"incident opened by {this_process()}, fencing number 1"
    assert (row.scenario, row.environment, row.tier, row.runs) == ("canary-failure", "prod", "production", 1)


def test_a_live_run_is_not_disturbed(case: Case) -> None:
    """The same scenario again ends at once, told who works on it; the lease stays with the first."""
    with pytest.raises(AlreadyHandled, match=f"{case.incident_id} is being handled by"):
        opened(case.ledger)

    case.record("note", "still ours")


def test_another_scenario_is_kept_out(case: Case) -> None:
    """Another scenario in the same environment must wait; in another environment it need not."""
    with pytest.raises(LeaseHeld, match=case.incident_id):
        open_case(case.ledger, opening("other"), this_process(), 30)

    assert open_case(case.ledger, opening("other", "preprod"), this_process(), 30).fence == 1


def test_a_dead_run_is_taken_over_where_it_stood(ledger: Ledger) -> None:
    """The new run has the same incident, a higher number, the phase, the finding and the pinned plan."""
    first = opened(ledger, dead())
    keep_finding(first, broken())
    first.pin(plan())
    first.enter(Phase.ACT)

    second = opened(ledger)

    assert (second.incident_id, second.fence, second.resumed) == (first.incident_id, 2, True)
    assert second.phase is Phase.ACT
    assert stored_finding(second) == broken()
    assert plans.pinned(second) == plan()
    with ledger.reading() as session:
        assert session.get_one(IncidentRow, second.incident_id).runs == 2
        assert timeline.entries(session, second.incident_id)[-1].kind == "resume"


def test_a_run_elsewhere_is_taken_over_only_when_its_lease_ran_out(ledger: Ledger) -> None:
    """Of another machine nobody can prove that it is dead: its lease decides."""
    first = opened(ledger, elsewhere())
    with pytest.raises(AlreadyHandled):
        opened(ledger)

    with ledger.session() as session:
        leases.locked_row(session, "prod").expires_at = now() - timedelta(seconds=1)
    assert opened(ledger).incident_id == first.incident_id


def test_the_database_itself_keeps_incidents_single(case: Case) -> None:
    """Even written past the code, a second open incident of the same kind is an error."""
    with pytest.raises(IntegrityError), case.ledger.session() as session:
        session.add(incidents._new_row(opening(), now()))


def test_a_rehearsal_holds_nothing(case: Case) -> None:
    """A rehearsal runs beside a real incident, any number of them, without the lease."""
    for _ in range(2):
        rehearsal = open_case(case.ledger, opening(rehearsal=True), this_process(), 30)
        assert (rehearsal.fence, rehearsal.rehearsal) == (0, True)
        decide_ending(rehearsal, Ending.REHEARSED, "would go back", "")
        close_case(rehearsal)

    with case.ledger.reading() as session:
        assert session.get_one(LeaseRow, "prod").incident_id == case.incident_id


def test_closing_gives_the_lease_back(case: Case) -> None:
    """After closing, the environment is free, and the next incident is a new one with a higher number."""
    decide_ending(case, Ending.RECOVERED, "verified", "")
    close_case(case)

    following = opened(case.ledger)
    assert following.incident_id != case.incident_id
    assert following.fence == 2


def test_the_first_ending_stands(case: Case) -> None:
    """A run that takes over while another one reported keeps the ending that was decided."""
    decide_ending(case, Ending.NOT_RECOVERED, "left is stuck", "go there")
    decide_ending(case, Ending.RECOVERED, "verified", "")

    assert ending_of(case) == (Ending.NOT_RECOVERED, "left is stuck", "go there")


@pytest.mark.parametrize("ending", Ending)
def test_escalations_after_the_end(case: Case, ending: Ending) -> None:
    """Only where nobody is needed any more are the pages that wait cancelled; those sent stay sent."""
    with case.ledger.session() as session:
        escalations.plan_level(session, case.incident_id, 1, "on call", NOON).sent_at = NOON
        escalations.plan_level(session, case.incident_id, 2, "lead", NOON + 10 * MINUTE)
    decide_ending(case, ending, "", "")
    close_case(case)

    with case.ledger.reading() as session:
        sent, waiting = escalations.of_incident(session, case.incident_id)
    assert sent.cancelled_at is None
    needed = ending not in (Ending.RECOVERED, Ending.NOTHING_TO_DO, Ending.REHEARSED)
    assert (waiting.cancelled_at is None) is needed


def test_orphans_are_the_open_incidents_nobody_works_on(ledger: Ledger) -> None:
    """Dead run, run-out lease, environment held by another incident: orphaned. Alive, closed, rehearsed: not."""
    alive = open_case(ledger, opening(environment="alive"), this_process(), 30)
    died = open_case(ledger, opening(environment="died"), dead(), 30)
    away = open_case(ledger, opening(environment="away"), elsewhere(), 30)
    lost = open_case(ledger, opening(environment="lost"), dead(), 30)
    open_case(ledger, opening("other", "lost"), this_process(), 30)
    closed = open_case(ledger, opening(environment="closed"), this_process(), 30)
    decide_ending(closed, Ending.RECOVERED, "", "")
    close_case(closed)
    open_case(ledger, opening(environment="rehearsed", rehearsal=True), this_process(), 30)

    with ledger.reading() as session:
        assert {row.id for row in orphaned(session, now())} == {died.incident_id, lost.incident_id}
        later = {row.id for row in orphaned(session, now() + timedelta(seconds=31))}
    assert {alive.incident_id, away.incident_id, died.incident_id, lost.incident_id} <= later


def test_seconds_are_counted_by_phase(ledger: Ledger) -> None:
    """Each phase has the time until the next entry, over all runs; together they are the whole timeline."""
    case = opened(ledger)
    with ledger.session() as session:
        first = timeline.entries(session, case.incident_id)[0]
        for seconds, phase in ((10, Phase.DECIDE), (15, Phase.ACT), (45, Phase.DECIDE), (46.5, Phase.REPORT)):
            at = first.at + timedelta(seconds=seconds)
            timeline.append(session, case.incident_id, at=at, phase=phase, kind="phase", text=phase.value)

    with ledger.reading() as session:
        assert phase_seconds(session, case.incident_id) == {
            Phase.DETECT: 10.0,
            Phase.DECIDE: 6.5,
            Phase.ACT: 30.0,
        }


def test_closing_keeps_the_seconds(case: Case) -> None:
    """A closed incident has its seconds by phase beside it."""
    case.enter(Phase.REPORT)
    close_case(case)
    with case.ledger.reading() as session:
        assert set(session.get_one(IncidentRow, case.incident_id).seconds) == {"detect"}


def test_lists_are_newest_first(ledger: Ledger) -> None:
    """Incidents are listed newest first, of one environment, or the open ones only."""
    ids = []
    for environment in ("one", "two", "one"):
        case = open_case(ledger, opening(environment=environment), this_process(), 30)
        ids.append(case.incident_id)
        if environment == "one":
            decide_ending(case, Ending.RECOVERED, "", "")
            close_case(case)

    with ledger.reading() as session:
        assert [row.id for row in listed(session)] == ids[::-1]
        assert [row.id for row in listed(session, environment="one")] == [ids[2], ids[0]]
        assert [row.id for row in listed(session, open_only=True)] == [ids[1]]
        assert [row.id for row in listed(session, most=1)] == [ids[2]]
        found = open_row(session, "canary-failure", "two")
        assert found
        assert found.id == ids[1]
        assert open_row(session, "canary-failure", "one") is None


def test_ids_sort_by_time_and_can_be_read_out() -> None:
    """An id has no letters that are mistaken for digits on the phone; later ones sort behind."""
    first, later = incidents.new_id(NOON), incidents.new_id(NOON + MINUTE)

    assert re.fullmatch(r"inc-20260314-1200-[a-hjkmnp-z2-9]{6}", first)
    assert first < later
    assert len({incidents.new_id(NOON) for _ in range(200)}) == 200


def test_secrets_in_a_request_are_not_kept(ledger: Ledger) -> None:
    """What somebody pasted into the form by mistake is redacted."""
    key = "AKIAIOSFODNN7EXAMPLE"
    asked = incidents.Opening("s", "prod", "qa", 60, opened_by=key, reason=key, parameters={"note": key})
    case = open_case(ledger, asked, this_process(), 30)
    with ledger.reading() as session:
        row = session.get_one(IncidentRow, case.incident_id)
        told = f"{row.opened_by} {row.reason} {row.parameters}"
        told += " ".join(f"{e.text} {e.data}" for e in timeline.entries(session, case.incident_id))
    assert key not in told


def test_planning_a_level_again_keeps_the_first(case: Case) -> None:
    """A resumed run that plans its escalation again does not move or repeat a page."""
    with case.ledger.session() as session:
        escalations.plan_level(session, case.incident_id, 1, "on call", NOON)
    with case.ledger.session() as session:
        escalations.plan_level(session, case.incident_id, 1, "on call", NOON + MINUTE)
        [row] = session.scalars(select(EscalationRow))
        assert row.due_at == NOON
        assert escalations.due(session, NOON) == [row]
        assert escalations.due(session, NOON - MINUTE) == []
        row.sent_at = NOON
        session.flush()
        assert escalations.due(session, NOON) == []
