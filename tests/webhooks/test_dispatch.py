"""From stored alarms to flow runs: one for an incident, none lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger import incidents
from ledger.cases import Case
from ledger.database import Ledger, open_ledger
from ledger.holders import this_process
from ledger.incidents import Opening
from ledger.models import AlarmRow, IncidentRow, LeaseRow, TimelineRow
from rules.outcomes import Ending
from tests.webhooks.conftest import ROUTES, Receiver, running, wait_for
from tests.webhooks.prefect_stand_in import PrefectStandIn
from tests.webhooks.sns_rig import Signer, metric_alarm
from webhooks.settings import WebhookSettings


def settled(receiver: Receiver, state: str = "dispatched") -> list[AlarmRow]:
    """Wait until every alarm is in a state; return them."""
    wait_for(lambda: {row.state for row in receiver.rows()} == {state}, 20)
    return receiver.rows()


def test_one_run_with_the_right_parameters(receiver: Receiver, sns: Signer, prefect: PrefectStandIn) -> None:
    """An alarm's run gets the environment's block and says which alarm asked for it."""
    receiver.post(sns.notification())

    (row,) = settled(receiver)
    ((key, run),) = prefect.runs.items()
    assert row.incident_key == key
    assert row.flow_run_id == run["id"]
    assert run["parameters"]["request"] == {"requested_by": "alarm", "reason": row.name, "alarm": row.id}
    assert set(run["parameters"]["environment"]["$ref"]) == {"block_document_id"}


def test_a_storm_makes_one_run(receiver: Receiver, sns: Signer, prefect: PrefectStandIn) -> None:
    """Many deliveries of one incident, with duplicates and out of order, while Prefect stutters: one run."""
    began = datetime.now(UTC) - timedelta(seconds=30)
    bodies = [
        sns.notification(metric_alarm(f"prod-sentiment-{n % 4}", at=began + timedelta(milliseconds=n)))
        for n in range(60)
    ] * 3
    random.Random(3).shuffle(bodies)
    prefect.failures = [503, 503]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: receiver.post(body).status_code, bodies))

    rows = settled(receiver)
    assert set(answers) == {200}
    assert len(rows) == 60
    assert len(prefect.runs) == 1
    assert {row.flow_run_id for row in rows} == {run["id"] for run in prefect.runs.values()}


def test_two_environments_are_two_incidents(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alarms of different environments never share a run."""
    monkeypatch.setenv("AM_TOKEN", "t-o-k-e-n")
    receiver.post(sns.notification())
    alert = (
        b'{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"CanaryX"},"annotations":{},'
        b'"startsAt":"2026-01-31T03:12:00Z","fingerprint":"f"}]}'
    )
    receiver.post(alert, "/alarms/alertmanager", Authorization="Bearer t-o-k-e-n")

    settled(receiver)
    assert len(prefect.runs) == 2


def test_prefect_away(receiver: Receiver, sns: Signer, prefect: PrefectStandIn) -> None:
    """While Prefect is away alarms are stored and wait, health says so, and later there is one run."""
    prefect.always = 503
    receiver.post(sns.notification())
    wait_for(lambda: receiver.rows()[0].attempts >= 2)
    health = receiver.http.get("/health")

    assert health.status_code == 200
    assert health.json()["status"] == "degraded"
    assert "not reachable" in health.json()["prefect"]
    prefect.always = None
    settled(receiver)
    assert len(prefect.runs) == 1


def test_refused_for_good(
    receive: Callable[..., Receiver],
    sns: Signer,
    prefect: PrefectStandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that Prefect refuses marks the alarm failed and pages once; the next alarm is tried anew."""
    pages = tmp_path / "pages"
    monkeypatch.setattr("webhooks.paging._send", lambda *told: bool(pages.open("a").write(f"{told[1]}\n")))
    monkeypatch.setenv("PAGE_URL", "json://localhost")
    paged = {"source": "environment", "name": "PAGE_URL"}
    receiver = receive(routes=ROUTES | {"pages": [paged]})
    prefect.failures = [409]
    receiver.post(sns.notification())

    (row,) = settled(receiver, "failed")
    assert "409" in row.error
    assert pages.read_text() == "Backstop: canary-failure in prod is not started\n"
    receiver.post(sns.notification())
    wait_for(lambda: prefect.runs)
    assert receiver.metric('backstop_webhook_dispatches_total{result="failed"}') == 1


def test_waiting_too_long_pages(
    receive: Callable[..., Receiver],
    sns: Signer,
    prefect: PrefectStandIn,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An alarm that waits longer than allowed for its run is told to people, though it is still tried."""
    receiver = receive(page_after_seconds=0.2)
    prefect.always = 503
    receiver.post(sns.notification())
    wait_for(lambda: "still waits for its run" in caplog.text)
    assert caplog.text.count("is not started") == 1

    prefect.always = None
    settled(receiver)
    assert len(prefect.runs) == 1


def test_not_registered_yet(receiver: Receiver, sns: Signer, prefect: PrefectStandIn) -> None:
    """A deployment that is registered a moment after the alarm is found; nothing is lost meanwhile."""
    prefect.missing = {"/deployments/name/"}
    receiver.post(sns.notification())
    wait_for(lambda: "not registered" in receiver.rows()[0].error)
    prefect.missing = set()

    settled(receiver)
    assert len(prefect.runs) == 1


def opened(ledger: Ledger, alarm: str = "") -> Case:
    """Open the incident that an alarm's run would open."""
    opening = Opening(
        "canary-failure", "prod", "production", 300.0, alarm_id=alarm or None, flow_run_id="run-1"
    )
    return incidents.open_case(ledger, opening, this_process(), 30.0)


def closed(case: Case, ending: Ending) -> None:
    """End that incident."""
    with case.ledger.session() as session:
        session.get_one(IncidentRow, case.incident_id).ending = ending.value
    incidents.close_case(case)


def test_joins_an_open_incident(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger
) -> None:
    """An alarm that arrives while an incident is open starts nothing and shows on its timeline, once a name."""
    case = opened(ledger)
    for _ in range(3):
        receiver.post(sns.notification())

    rows = settled(receiver)
    assert prefect.runs == {}
    assert {row.flow_run_id for row in rows} == {"run-1"}
    with ledger.reading() as session:
        entries = session.scalars(select(TimelineRow.text).where(TimelineRow.kind == "alarm")).all()
    assert entries == ["prod-sentiment-errors fired too (from sns)"]
    assert case.incident_id


def test_after_the_end_a_new_incident_begins(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger
) -> None:
    """A late delivery of what the incident has seen joins it; an alarm that fires afterwards starts a new run."""
    receiver.post(sns.notification(metric_alarm(at=datetime.now(UTC) - timedelta(seconds=60))))
    (first,) = settled(receiver)
    case = opened(ledger, first.id)
    closed(case, Ending.RECOVERED)
    receiver.post(
        sns.notification(metric_alarm("prod-sentiment-late", at=datetime.now(UTC) - timedelta(seconds=50)))
    )
    wait_for(lambda: receiver.rows()[-1].state == "dispatched")
    assert len(prefect.runs) == 1

    receiver.post(sns.notification(metric_alarm("prod-sentiment-new")))
    wait_for(lambda: len(prefect.runs) == 2)


def test_after_people_were_paged(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger
) -> None:
    """After an incident that was not recovered a flapping alarm joins it instead of starting every minute."""
    case = opened(ledger)
    closed(case, Ending.NOT_RECOVERED)
    receiver.post(sns.notification())

    settled(receiver)
    assert prefect.runs == {}


def test_a_dead_run_is_taken_up(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger
) -> None:
    """Alarms that find an incident whose run died ask for one run that takes it up."""
    case = opened(ledger)
    with ledger.session() as session:
        lease = session.get_one(LeaseRow, "prod")
        lease.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(3):
        receiver.post(sns.notification())

    settled(receiver)
    assert len(prefect.runs) == 1
    assert case.incident_id


def test_a_run_that_dies_early_is_not_silent(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that crashes before it opens its incident marks its alarms failed; the next alarm gets another run."""
    monkeypatch.setattr("webhooks.dispatcher._SETTLING", timedelta(0))
    receiver.post(sns.notification())
    (row,) = settled(receiver)
    prefect.states[row.flow_run_id or ""] = "CRASHED"

    (row,) = settled(receiver, "failed")
    assert "CRASHED before it opened" in row.error
    receiver.post(sns.notification())
    wait_for(lambda: len(prefect.runs) == 2)


def test_two_receivers_one_ledger(
    settings: WebhookSettings, tmp_path: Path, sns: Signer, prefect: PrefectStandIn
) -> None:
    """Two receivers on one ledger take the same storm: one run."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'shared.db'}")
    bodies = [sns.notification(metric_alarm(f"prod-sentiment-{n}")) for n in range(24)]
    with running(settings, ledger) as one, running(settings, ledger) as other, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: (one, other)[n % 2].post(bodies[n // 2]).status_code, range(48)))
        rows = settled(one)

    assert set(answers) == {200}
    assert len(rows) == 24
    assert len(prefect.runs) == 1


def test_figures(receiver: Receiver, sns: Signer) -> None:
    """The metrics tell of deliveries, of the ledger and of how long an alarm took to its run."""
    receiver.post(sns.notification())
    receiver.post(sns.notification(metric_alarm(state="OK")))
    wait_for(lambda: receiver.rows()[0].state == "dispatched")

    assert receiver.metric('backstop_webhook_deliveries_total{result="stored",source="sns"}') == 1
    assert receiver.metric('backstop_webhook_deliveries_total{result="ignored",source="sns"}') == 1
    assert receiver.metric('backstop_alarms{source="sns",state="ignored"}') == 1
    wait_for(lambda: receiver.metric("backstop_webhook_dispatch_seconds_count") == 1)
    assert receiver.metric("backstop_webhook_dispatch_seconds_sum") < 2
    assert receiver.metric("backstop_ledger_up") == 1
