"""The report as people read it: at a desk, on a phone, by day and by night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from flows import _report
from ledger.database import open_ledger
from rules.outcomes import Ending
from tests.flows.story import write_story
from tests.ui.conftest import FLAGS


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; the report needs nothing else."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("There is no chromium on the path; `make test` installs Debian's package.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def report(own_home: Path) -> Path:
    """The report of an incident that was not recovered: the longest there is."""
    ledger = open_ledger()
    return _report.write_report(ledger, write_story(ledger, Ending.NOT_RECOVERED))


@pytest.mark.parametrize("width", [1280, 768, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits(browser: Browser, report: Path, width: int, scheme: Literal["light", "dark"]) -> None:
    """Nothing sticks out to the side, one picture is shown, and the text stands out from its ground."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())

    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(
            "[...document.querySelectorAll('td,li,p,code')].every(e => e.scrollWidth <= innerWidth)"
        )
        assert page.locator("figure:visible").count() == 1
        for place in ("body", "header", ".hint", ".badge", "code", "footer"):
            assert page.evaluate(CONTRAST, place) >= 4.5, place
    finally:
        context.close()


CONTRAST = """place => {
  const light = c => {
    const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 })
    return .2126 * r + .7152 * g + .0722 * b }
  const numbers = c => c.match(/[\\d.]+/g).map(Number)
  const element = document.querySelector(place)
  let ground = element
  while (ground && numbers(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement
  const one = light(numbers(getComputedStyle(element).color).slice(0, 3))
  const two = light(numbers(getComputedStyle(ground ?? document.body).backgroundColor).slice(0, 3))
  return (Math.max(one, two) + .05) / (Math.min(one, two) + .05)
}"""
"""The contrast of a place's text with the ground it stands on (WCAG wants 4.5)."""
