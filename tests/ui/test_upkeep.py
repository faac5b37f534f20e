"""What else is in the list of deployments, started by hand from the Prefect UI: upkeep that schedules start, too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from deployments.stack import Stack
from ledger import drills
from ledger.drill_rows import DrillRow
from sandbox import reading
from sandbox.organs import organ_client
from tests.ui.conftest import RECOVERY_MILLISECONDS, ledger_of, newest_incident
from tests.ui.run_form import choose, choose_environment, open_form, submit, tick, write

if TYPE_CHECKING:
    from sandbox.world import Sandbox

pytestmark = [
    pytest.mark.ui,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("ui"),
    pytest.mark.timeout(600),
]
ALL = bool(os.getenv("BACKSTOP_TRIAL"))
SHOWS = {"readiness": "readiness", "report": "track-record-day", "resume": ""}
"""The artifact that each leaves on its run's page; empty: none where nothing was left lying."""
CHOSEN = tuple(SHOWS) if ALL else ("report",)


@pytest.mark.parametrize("deployment", CHOSEN)
def test_upkeep_is_started_by_hand(page: Page, stack: Stack, deployment: str) -> None:
    """Its form needs nothing filled in; the run completes, and its page shows what it found."""
    open_form(page, deployment, shows="Run Name")
    submit(page)

    expect(page.locator(".state-badge").first).to_have_text("Completed", timeout=RECOVERY_MILLISECONDS)
    if artifact := SHOWS[deployment]:
        page.get_by_text("Artifacts", exact=True).first.click()
        expect(page.get_by_text(artifact).first).to_be_visible()


@pytest.mark.skipif(not ALL, reason="make test looks at the alarms without a browser")
def test_an_alarm_that_nobody_delivered_is_looked_for_by_hand(
    page: Page, proven: Stack, sandbox: Sandbox
) -> None:
    """Started from its form, alarm-watch finds what fires, and the scenario that the routes say has its incident."""
    sandbox.reset()
    client = organ_client("cloudwatch", sandbox.home.addresses().aws_url)
    alarm = sandbox.place("preprod").lock_alarm
    client.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="nobody is told")
    try:
        open_form(page, "alarm-watch", shows="Environment")
        write(page, "Environment", "preprod")
        submit(page)
        expect(page.locator(".state-badge").first).to_have_text("Completed", timeout=RECOVERY_MILLISECONDS)
        expect(page.get_by_text("1 alarm fires").first).to_be_visible()
        sandbox.wait_for(lambda: answered(proven), "the incident ends")
    finally:
        client.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="over")

    incident = newest_incident(proven)
    assert (incident.ending, bool(incident.alarm_id)) == ("nothing to do", True)


def answered(stack: Stack) -> bool:
    """Whether the lock's scenario has had its incident in preprod."""
    incident = newest_incident(stack)
    named = (incident.scenario, incident.environment) == ("stale-terraform-lock", "preprod")
    return named and incident.closed_at is not None


def test_a_drill_is_started_by_hand(page: Page, proven: Stack, sandbox: Sandbox) -> None:
    """A rehearsal says what would be broken and breaks nothing; then, all of it, a drill is answered and passes."""
    sandbox.reset()
    sandbox.wait_until_green("preprod")
    before = reading.read(sandbox.home, "preprod")

    start_drill(page, rehearse=True)
    expect(page.locator(".state-badge").first).to_have_text("Rehearsed", timeout=RECOVERY_MILLISECONDS)
    assert drilled(proven) == []
    assert reading.read(sandbox.home, "preprod") == before
    if not ALL:
        return

    sandbox.subscribe(f"{proven.webhook_address}/alarms/sns")
    try:
        start_drill(page, rehearse=False)
        expect(page.locator(".state-badge").first).to_have_text("Passed", timeout=RECOVERY_MILLISECONDS)
    finally:
        sandbox.subscribe("")

    [row] = drilled(proven)
    assert (row.grade, row.scenario, row.began_by) == ("pass", "stale-terraform-lock", "Ada"), row.reasons
    assert (bool(row.undone_at), row.incident_id) == (True, newest_incident(proven).id)
    assert reading.read(sandbox.home, "preprod") == before
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("drill-preprod").first.click()
    expect(page.get_by_text(row.id).first).to_be_visible()


def start_drill(page: Page, *, rehearse: bool) -> None:
    """Fill the form in for the drill of a lock, and send it."""
    open_form(page, "rollback-drill")
    choose_environment(page, "preprod")
    choose(page, "Fault", "held-lock")
    if rehearse:
        tick(page, "Rehearse")
    write(page, "Your name", "Ada")
    submit(page)


def drilled(stack: Stack) -> list[DrillRow]:
    """Every drill of the stack."""
    with ledger_of(stack).reading() as session:
        return drills.listed(session)
