"""What else is in the list of deployments, started by hand from the Prefect UI: upkeep that schedules start, too."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import Page, expect

from deployments.stack import Stack
from tests.ui.conftest import RECOVERY_MILLISECONDS
from tests.ui.run_form import open_form, submit

pytestmark = [
    pytest.mark.ui,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("ui"),
    pytest.mark.timeout(600),
]

SHOWS = {"readiness": "readiness", "report": "track-record-day", "resume": ""}
"""The artifact that each leaves on its run's page; empty: none where nothing was left lying."""
CHOSEN = tuple(SHOWS) if os.getenv("BACKSTOP_TRIAL") else ("report",)


@pytest.mark.parametrize("deployment", CHOSEN)
def test_upkeep_is_started_by_hand(page: Page, stack: Stack, deployment: str) -> None:
    """Its form needs nothing filled in; the run completes, and its page shows what it found."""
    open_form(page, deployment, shows="Run Name")
    submit(page)

    expect(page.locator(".state-badge").first).to_have_text("Completed", timeout=RECOVERY_MILLISECONDS)
    if artifact := SHOWS[deployment]:
        page.get_by_text("Artifacts", exact=True).first.click()
        expect(page.get_by_text(artifact).first).to_be_visible()
