"""Every scenario, started as a person starts it: its form in the Prefect UI, filled in, and the run watched to its end.

`make test` rehearses a scenario of each system; `make trial` rehearses every practice of the sandbox and then really
recovers. Every form is read by tests/deployments/test_forms.py.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from deployments.stack import Stack
from ledger.models import IncidentRow, StepRow
from sandbox import faults, reading
from sandbox.places import ENVIRONMENTS
from sandbox.practice import PRACTICES, Practice
from tests.practising import given, standing
from tests.ui.conftest import RECOVERY_MILLISECONDS, ledger_of, newest_incident
from tests.ui.run_form import choose_environment, fill, open_form, submit, tick, write

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
SAMPLE = ("production-deploy-failure", "stack-rollback", "wrong-queue-publish")
FIRST = {practice.scenario: practice for practice in reversed(PRACTICES)}
QUICKLY = dict.fromkeys(("bad-release", "half-deployed", "failed-rollback"), "dashboard-code")
"""What stands for a fault where a plan is all that is wanted: two calls instead of a deployment."""

CHOSEN = PRACTICES if ALL else tuple(FIRST[scenario] for scenario in SAMPLE)


@pytest.mark.parametrize("practice", CHOSEN, ids=lambda p: f"{p.scenario}-{p.rung}")
def test_a_scenario_is_started_from_its_form(
    page: Page, proven: Stack, sandbox: Sandbox, practice: Practice
) -> None:
    """Its form can be filled in; a rehearsal shows the plan and changes nothing; then, all of it, it recovers."""
    sandbox.reset()
    for fault in practice.faults:
        faults.start(sandbox, fault if ALL else QUICKLY.get(fault, fault), practice.environment)
    before = standing(sandbox, practice.environment)

    start(page, sandbox, practice, rehearse=True)
    expect(page.get_by_text("Rehearsed").first).to_be_visible(timeout=RECOVERY_MILLISECONDS)

    assert artifacts(page, practice) == {"plan", "report"}
    incident = ended(proven, practice)
    assert (incident.ending, incident.rehearsal) == ("rehearsed", True)
    assert standing(sandbox, practice.environment) == before
    with ledger_of(proven).reading() as session:
        assert list(session.scalars(select(StepRow).where(StepRow.incident_id == incident.id))) == []
    if not ALL:
        return

    start(page, sandbox, practice, rehearse=False)
    expect(page.get_by_text("Recovered").first).to_be_visible(timeout=2 * RECOVERY_MILLISECONDS)

    assert artifacts(page, practice) == {"plan", "report"}
    incident = ended(proven, practice)
    assert (incident.ending, incident.rehearsal) == ("recovered", False)
    if practice.environment in ENVIRONMENTS:
        sandbox.wait_until_green(practice.environment)
        found = reading.read(sandbox.home, practice.environment)
        assert (found.releases, found.lock) == ({sandbox.release(2)}, "")


def start(page: Page, sandbox: Sandbox, practice: Practice, *, rehearse: bool) -> None:
    """Fill the scenario's form in as the practice says, and send it."""
    open_form(page, practice.scenario)
    choose_environment(page, practice.environment)
    fill(page, practice.scenario, given(sandbox, practice))
    if rehearse:
        tick(page, "Rehearse")
    elif practice.break_glass:
        write(page, "Break-glass reason", "nobody is there to ask")
    write(page, "Your name", "Ada")
    write(page, "Reason", "practice")
    submit(page)


def artifacts(page: Page, practice: Practice) -> set[str]:
    """Which of the plan and the report the run's page shows."""
    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.get_by_text("-report").first).to_be_visible()
    return {kind for kind in ("plan", "report") if page.get_by_text(f"-{kind}").count()}


def ended(stack: Stack, practice: Practice) -> IncidentRow:
    """The incident of the run that has ended."""
    incident = newest_incident(stack)
    assert (incident.scenario, incident.environment) == (practice.scenario, practice.environment)
    return incident
