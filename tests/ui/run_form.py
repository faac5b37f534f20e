"""A deployment's form in the Prefect UI, as a person finds it, fills it in and sends it."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from deployments.forms import form
from deployments.prefect_yaml import FILE, read_prefect_yaml
from deployments.run_process import load

DEPLOYED = {entry.name: entry.entrypoint for entry in read_prefect_yaml(FILE).deployments}


def open_form(page: Page, deployment: str, shows: str = "Rehearse") -> None:
    """From the start page to the form, by clicking. The list shows ten deployments, so people search.

    `shows` is the title of a field that the form has: it is drawn some time after the page.
    """
    page.goto("/")
    page.locator("a[href$='/deployments']").first.click()
    page.get_by_placeholder("Search deployments").fill(deployment)
    links = page.locator("a[href*='/deployments/deployment/']")
    found = links.get_by_text(deployment, exact=True).first
    found.wait_for()
    # The list is drawn anew when the search is answered: a click before that is lost.
    expect(links.filter(has_not_text=deployment)).to_have_count(0)
    found.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    expect(page.get_by_text(_titled(shows)).first).to_be_visible()
    page.wait_for_load_state("networkidle")


def field(page: Page, title: str) -> Locator:
    """The form's field under a title."""
    label = page.locator(".schema-form-property__label")
    titled = label.get_by_text(_titled(title))
    return page.locator(".schema-form-property").filter(has=titled).last


def _titled(title: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(title)}( \(Optional\))?$")


def choose_environment(page: Page, name: str) -> None:
    """Pick an environment block."""
    page.locator(".block-documents-select .p-select-button__icon").first.click()
    page.locator(".p-select-option").get_by_text(name, exact=True).click()


def choose(page: Page, title: str, option: str) -> None:
    """Pick one of a field's options."""
    field(page, title).locator(".p-select-button__icon").first.click()
    page.locator(".p-select-option").get_by_text(option, exact=True).click()


def tick(page: Page, title: str) -> None:
    """Switch a field on."""
    field(page, title).locator(".p-toggle__control").first.click()


def write(page: Page, title: str, text: str) -> None:
    """Type into a field."""
    field(page, title).locator("textarea, input").first.fill(text)


def fill(page: Page, deployment: str, parameters: dict[str, str]) -> None:
    """Give the scenario what it asks for, each in the field of its kind."""
    shown: dict[str, Any] = form(load(DEPLOYED[deployment]))["properties"]
    for name, text in parameters.items():
        title, asked = shown[name]["title"], shown[name]
        if asked.get("type") == "boolean":
            if (text in ("true", "yes")) != asked.get("default", False):
                tick(page, title)
        elif asked.get("format") == "date-time":
            _write_json(page, title, text)  # the calendar knows no seconds
        else:
            write(page, title, text)


def submit(page: Page) -> None:
    """Send the form, and go to the run."""
    # By its key: on a busy machine a notice of Prefect's («Oops») may lie over the button.
    page.get_by_role("button", name="Submit", exact=True).press("Enter")
    # The form leaves for its deployment's page by itself: a click before that is undone by it.
    page.wait_for_url(re.compile(r"/deployments/deployment/[^/?]+(\?.*)?$"))
    page.get_by_role("button", name="View run").last.click()


def _write_json(page: Page, title: str, value: str) -> None:
    field(page, title).locator(".schema-form-property-menu button").first.click()
    page.get_by_text("Use JSON input").last.click()
    write(page, title, json.dumps(value))
