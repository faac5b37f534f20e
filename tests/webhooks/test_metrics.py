"""What Prometheus reads is what the ledger says, and every figure that the dashboard names is served."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from ledger import alarms, incidents, newest_backups, readiness
from ledger.alarms import NewAlarm
from ledger.cases import now
from ledger.database import Ledger
from ledger.holders import this_process
from ledger.incidents import Opening, close_case, decide_ending, open_case
from ledger.models import IncidentRow
from rules.outcomes import Ending
from rules.readiness import Standing, State
from webhooks.ledger_metrics import BUCKETS
from webhooks.metrics import Figures

DASHBOARD = Path(__file__).parents[2] / "deployments/grafana_dashboard.json"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def figures(ledger: Ledger) -> Figures:
    """The metrics of a receiver on an empty ledger."""
    return Figures(ledger)


def ended(ledger: Ledger, ending: Ending, *, rehearsal: bool = False, **seconds: float) -> str:
    """A closed incident that took so long in its phases, one minute in all."""
    opening = Opening("canary-failure", "prod", "production", 300, rehearsal=rehearsal)
    case = open_case(ledger, opening, this_process(), 30)
    decide_ending(case, ending, "so it was", "")
    close_case(case)
    with ledger.session() as session:
        opened = session.get_one(IncidentRow, case.incident_id).closed_at
        assert opened is not None
        changed = {"seconds": seconds, "opened_at": opened - timedelta(minutes=1)}
        session.execute(update(IncidentRow).where(IncidentRow.id == case.incident_id).values(**changed))
    return case.incident_id


def served(figures: Figures) -> dict[str, float]:
    """Every sample, by its name with labels."""
    return {
        sample.name + json.dumps(sample.labels, sort_keys=True): sample.value
        for family in text_string_to_metric_families(figures.page().decode())
        for sample in family.samples
    }


def value(figures: Figures, name: str, **labels: str) -> float:
    """One sample."""
    return served(figures)[name + json.dumps(labels, sort_keys=True)]


def test_phases_are_counted_once_and_fall_into_their_buckets(ledger: Ledger, figures: Figures) -> None:
    """However often it is scraped, each closed incident counts once; a later one is added; rehearsals never are."""
    ended(ledger, Ending.RECOVERED, act=2.0, verify=31.0)
    ended(ledger, Ending.RECOVERED, rehearsal=True, act=9.0)
    first, again = served(figures), served(figures)
    ended(ledger, Ending.NOT_RECOVERED, act=9_999.0)

    assert first == again
    act = {"scenario": "canary-failure", "phase": "act"}
    assert value(figures, "backstop_phase_seconds_count", **act) == 2
    assert value(figures, "backstop_phase_seconds_sum", **act) == 10_001
    assert value(figures, "backstop_phase_seconds_bucket", le="1.0", **act) == 0
    assert value(figures, "backstop_phase_seconds_bucket", le="2.0", **act) == 1
    assert value(figures, "backstop_phase_seconds_bucket", le=str(BUCKETS[-1]), **act) == 1
    assert value(figures, "backstop_phase_seconds_bucket", le="+Inf", **act) == 2
    one = {"scenario": "canary-failure", "ending": "recovered"}
    assert value(figures, "backstop_incident_seconds_count", **one) == 1
    assert value(figures, "backstop_incident_seconds_sum", **one) == 60
    pair = {"scenario": "canary-failure", "environment": "prod"}
    assert value(figures, "backstop_incidents", ending="recovered", **pair) == 1
    assert value(figures, "backstop_incidents", ending="not recovered", **pair) == 1


def test_a_restarted_receiver_says_the_same(ledger: Ledger, figures: Figures) -> None:
    """The figures are the ledger's: another process, or one that began later, tells no others."""
    for seconds in (1.0, 40.0):
        ended(ledger, Ending.RECOVERED, act=seconds)
        figures.page()

    told = {name: value for name, value in served(figures).items() if "_seconds" in name and "phase" in name}
    assert told == {name: value for name, value in served(Figures(ledger)).items() if name in told}


def test_what_is_open_not_ready_or_old(ledger: Ledger, figures: Figures) -> None:
    """An open incident has an age, each scenario exactly one state, each environment the time of its newest backup."""
    open_case(ledger, Opening("canary-failure", "prod", "production", 300), this_process(), 30)
    with ledger.session() as session:
        session.execute(update(IncidentRow).values(opened_at=now() - timedelta(minutes=5)))
        states = [
            Standing(environment="prod", scenario=name, state=state)
            for name, state in (("canary-failure", State.NOT_READY), ("stuck-alarm", State.UNKNOWN))
        ]
        readiness.keep(session, states, NOON)
        for age in (timedelta(hours=1), timedelta(0), timedelta(hours=2)):
            newest_backups.keep(session, "masking", f"backup-{age}", NOON - age)

    pair = {"scenario": "canary-failure", "environment": "prod"}
    assert value(figures, "backstop_open_incident_seconds", **pair) >= 300
    assert [value(figures, "backstop_readiness", state=state.value, **pair) for state in State] == [0, 1, 0]
    unknown = pair | {"scenario": "stuck-alarm"}
    assert value(figures, "backstop_readiness", state="unknown", **unknown) == 1
    assert value(figures, "backstop_readiness_looked_timestamp_seconds", **pair) == NOON.timestamp()
    assert (
        value(figures, "backstop_newest_backup_timestamp_seconds", environment="masking") == NOON.timestamp()
    )


def test_the_dashboard_asks_only_for_what_is_served(ledger: Ledger, figures: Figures) -> None:
    """Each metric and each label value of a state or phase in its expressions exists; each panel has a unit."""
    ended(ledger, Ending.RECOVERED, act=1.0)
    incidents.open_case(ledger, Opening("stuck-alarm", "prod", "production", 300), this_process(), 30)
    with ledger.session() as session:
        readiness.keep(session, [Standing(environment="prod", scenario="x", state=State.READY)], NOON)
        newest_backups.keep(session, "masking", "b", NOON)
    alarm = NewAlarm("alm-1", "sns", "m1", NOON, NOON, "prod-errors", "alarm", "stored")
    alarms.store(ledger, [alarm])
    figures.deliveries.labels("sns", "stored").inc()
    figures.dispatches.labels("created").inc()
    figures.dispatch_seconds.observe(0.1)
    names = {name.partition("{")[0] for name in served(figures)}
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]

    asked = {name for expression in expressions for name in re.findall(r"backstop_\w+", expression)}
    assert len(expressions) >= 10
    assert asked - names == set()
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in dashboard["panels"]} <= {
        "none",
        "s",
        "short",
        "percentunit",
    }
    assert set(re.findall(r'state="([^"]+)"', " ".join(expressions))) <= {*map(str, State), "stored"}
    assert set(re.findall(r'ending="([^"]+)"', " ".join(expressions))) <= {*map(str, Ending), "open"}
