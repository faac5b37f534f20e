"""What a person does in the Prefect UI, done in a real browser: rehearse with the form, approve a paused run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from deployments.stack import Stack
from ledger.models import ApprovalRow, StepRow
from sandbox import reading
from tests.ui.conftest import RECOVERY_MILLISECONDS, ledger_of, newest_incident, picture
from tests.ui.run_form import choose_environment, open_form, submit, tick, write

if TYPE_CHECKING:
    from sandbox.world import Sandbox

pytestmark = [
    pytest.mark.ui,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("ui"),
    pytest.mark.timeout(420),
]


def send(dialog: Locator) -> None:
    """Send the answer; as a person would, again when the UI says that something went wrong.

    Prefect on SQLite refuses a write that meets another one (503), and the UI does not try again by itself.
    """
    for _ in range(5):
        dialog.get_by_role("button", name="Submit").click()
        try:
            expect(dialog).to_be_hidden(timeout=10_000)
        except AssertionError:
            continue
        return


def rehearse(page: Page) -> None:
    """Fill the form in for a rehearsal in production, start it, and wait for its end."""
    open_form(page, "canary-failure")
    choose_environment(page, "prod")
    tick(page, "Rehearse")
    picture(page, "form")
    submit(page)
    expect(page.get_by_text("Rehearsed").first).to_be_visible(timeout=RECOVERY_MILLISECONDS)


def test_a_rehearsal_from_the_form_changes_nothing(page: Page, stack: Stack, sandbox: Sandbox) -> None:
    """Somebody finds the scenario, picks an environment, ticks Rehearse, and reads the plan; nothing is changed."""
    before = reading.read(sandbox.home, "prod")

    rehearse(page)

    expect(page.get_by_text("guard: would need one approver").first).to_be_visible()
    expect(page.get_by_text("Finished in state Completed()")).to_have_count(0)
    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.get_by_text("plan-terraform").first).to_be_visible()
    incident = newest_incident(stack)
    assert incident.rehearsal
    assert incident.ending == "rehearsed"
    assert reading.read(sandbox.home, "prod") == before
    with ledger_of(stack).reading() as session:
        assert list(session.scalars(select(StepRow).where(StepRow.incident_id == incident.id))) == []


def test_a_paused_run_goes_on_when_a_person_approves(page: Page, stack: Stack, sandbox: Sandbox) -> None:
    """A plan that needs a person waits with a form; a wrong word is not taken, ROLLBACK and a name carry it out."""
    open_form(page, "canary-failure")
    choose_environment(page, "prod")
    tick(page, "Insist")
    write(page, "Your name", "Ada")
    submit(page)
    expect(page.get_by_text("Paused").first).to_be_visible(timeout=RECOVERY_MILLISECONDS)
    page.get_by_role("button", name="Resume").first.click()
    dialog = page.locator(".p-modal").last
    expect(dialog.get_by_text("one approver").first).to_be_visible()

    dialog.locator("textarea").nth(0).fill("yes")
    dialog.locator("textarea").nth(1).fill("Grace")
    dialog.locator("textarea").nth(2).fill("seen it myself")
    picture(page, "approval")
    dialog.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Validation failed for field 'word'").first).to_be_visible()
    assert newest_incident(stack).phase == "guard"
    dialog.locator("textarea").nth(0).fill("ROLLBACK")
    send(dialog)

    expect(page.get_by_text("Recovered").first).to_be_visible(timeout=RECOVERY_MILLISECONDS)
    page.get_by_text("Artifacts", exact=True).first.click()
    expect(page.get_by_text("report").first).to_be_visible()
    picture(page, "run")
    incident = newest_incident(stack)
    assert incident.ending == "recovered"
    assert reading.read(sandbox.home, "prod").releases == {sandbox.release(1)}
    with ledger_of(stack).reading() as session:
        [answer] = session.scalars(select(ApprovalRow).where(ApprovalRow.incident_id == incident.id))
    assert (answer.approver, answer.comment, answer.source) == ("Grace", "seen it myself", "prefect")


def test_the_report_is_one_readable_page(page: Page, stack: Stack) -> None:
    """A report opens in a browser by itself: headline, timeline as a picture, nothing from outside."""
    if not list(stack.home.glob("reports/*.html")):
        rehearse(page)
    report = max(stack.home.glob("reports/*.html"), key=lambda path: path.stat().st_mtime)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(report.as_uri())

    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator("svg").first).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    picture(page, "report")
