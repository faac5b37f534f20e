"""The report as people read it: at a desk, on a phone, by day and by night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from flows import _report
from flows.report import report as track_record
from ledger.database import open_ledger
from rules.outcomes import Ending
from rules.report_periods import Period
from tests.flows.story import write_story
from tests.flows.test_track_report import DAY_AFTER, drill_of
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


def test_the_report_over_all_recoveries_fits_a_phone(browser: Browser, own_home: Path) -> None:
    """No label of a table lies over what it names, no duration is broken, and nothing sticks out to the side."""
    ledger = open_ledger()
    incident = write_story(ledger, Ending.RECOVERED, "inc-20261121-0312-aaaaaa")
    with ledger.session() as session:
        session.add(drill_of(incident))
    page = browser.new_context(viewport={"width": 390, "height": 900}).new_page()
    page.goto(track_record.fn(Period.DAY, DAY_AFTER).page.as_uri())

    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("td[data-label=Inconclusive]").count() == 1
        assert page.evaluate(COVERED) == []
    finally:
        page.context.close()


def test_a_duration_stays_on_one_line_on_a_phone(browser: Browser, report: Path) -> None:
    """`6 min 17 s` is one thing to read."""
    page = browser.new_context(viewport={"width": 390, "height": 900}).new_page()
    page.goto(report.as_uri())

    try:
        assert page.locator(".slim .total td:nth-child(2)").first.evaluate(LINES) == 1
    finally:
        page.context.close()


LINES = """cell => {
  const text = document.createRange()
  text.selectNodeContents(cell)
  return new Set([...text.getClientRects()].map(line => line.top)).size
}"""
"""On how many lines a cell's text stands."""
COVERED = """[...document.querySelectorAll('table:not(.slim) td')].filter(cell => {
  const pen = document.createElement('canvas').getContext('2d'), style = getComputedStyle(cell, '::before')
  pen.font = style.font
  const label = pen.measureText(cell.dataset.label).width
  return label > parseFloat(getComputedStyle(cell).paddingLeft) - 4
}).map(cell => cell.dataset.label)"""
"""The labels that reach into the text beside them."""
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
