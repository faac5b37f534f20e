"""The report tells the whole incident, the same way every time, and trusts nothing it prints."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import update

from cli.checkup import Verdict as Checked
from cli.doctor_machine import ledger as doctor_of_ledger
from flows import _report, _timeline_picture
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow, StepRow, TimelineRow
from ledger.stories import read_story
from rules.errors import RecoveryRefused
from rules.outcomes import Ending
from tests.flows.story import write_story
from tests.flows.story_facts import GOOD, INCIDENT, plan


@pytest.fixture
def ledger(own_home: Path) -> Ledger:
    """This test's ledger."""
    return open_ledger()


def written(ledger: Ledger, ending: Ending = Ending.RECOVERED) -> tuple[str, str]:
    """The HTML and the Markdown of one story."""
    path = _report.write_report(ledger, write_story(ledger, ending))
    return path.read_text(), path.with_suffix(".md").read_text()


def test_both_files_lie_in_the_home(ledger: Ledger, own_home: Path) -> None:
    """The report's address is the incident's id, and nothing half written is left beside it."""
    path = _report.write_report(ledger, write_story(ledger))

    assert path == own_home / "reports" / f"{INCIDENT}.html"
    assert sorted(file.name for file in path.parent.iterdir()) == [f"{INCIDENT}.html", f"{INCIDENT}.md"]


def test_writing_it_again_gives_the_same_bytes(ledger: Ledger) -> None:
    """The report depends on the ledger only: not on the clock, nor on when it is written."""
    path = _report.write_report(ledger, write_story(ledger))
    before = path.read_bytes(), path.with_suffix(".md").read_bytes()

    _report.write_report(ledger, INCIDENT)

    assert (path.read_bytes(), path.with_suffix(".md").read_bytes()) == before


def test_a_recovery_is_told_whole(ledger: Ledger) -> None:
    """Ending, promise, plan, reasons, evidence, steps, checks, notices, tasks and the chain's head are all there."""
    page, text = written(ledger)
    with ledger.reading() as session:
        head = read_story(session, INCIDENT).head

    for told in (page, text):
        plain = re.sub(r"\\([_*<>|#\[\]`])", r"\1", told)
        for fact in (
            "Canary failure in prod",
            "1 min 7 s",
            "kept, 22 % of it",
            plan().digest[:12],
            GOOD,
            "77aa0c31f2d4 was deployed on 2026-11-19 but never proven",
            "has no data; that is not green",
            "automatic: critical and reversible",
            "the state is locked",
            "live code of prod-sentiment-dashboard",
            "not needed",
            "Share what was learned with the team.",
            head,
        ):
            assert fact in plain, fact


def test_a_failure_is_told_whole(ledger: Ledger) -> None:
    """Not recovered: what failed, who broke the glass, what was cut off, who was paged and what to do next."""
    page, text = written(ledger, Ending.NOT_RECOVERED)

    for told in (page, text):
        for fact in (
            "Not recovered",
            "cut off",
            "break-glass",
            "Sam Okoro",
            "paged",
            "126 % of it gone by",
            "died half way",
        ):
            assert fact.lower() in told.lower(), fact
    assert "Bring the environment back by hand" in page


def test_updates_and_losses_are_told(ledger: Ledger) -> None:
    """What people were told is there in condition, actions and needs, and so is what was lost: here, no data."""
    page, text = written(ledger, Ending.NOT_RECOVERED)

    for told in (page, text):
        for fact in (
            "Updates, as they were sent",
            "Condition",
            "Needs",
            "Ask the lock",
            "A person is needed. The report has everything",
            "No data: nothing that was carried out replaces or removes any.",
            "Why would it not happen again?",
        ):
            assert fact in told, fact


def test_the_doctor_finds_a_row_that_was_changed(ledger: Ledger) -> None:
    """One altered word in one entry of one incident: the ledger's history is not whole, and the incident is named."""
    write_story(ledger)
    write_story(ledger, incident="inc-20261121-0312-bbbbbb")
    assert {each.name: each.verdict for each in doctor_of_ledger()}["ledger's history"] is Checked.PASS

    with ledger.session() as session:
        altered = (TimelineRow.incident_id == INCIDENT) & (TimelineRow.kind == "finding")
        session.execute(update(TimelineRow).where(altered).values(text="pass: nothing was wrong"))

    [found] = [each for each in doctor_of_ledger() if each.name == "ledger's history"]
    assert found.verdict is Checked.FAIL
    assert INCIDENT in found.said
    assert "bbbbbb" not in found.said


def test_the_page_stands_alone(ledger: Ledger) -> None:
    """One file: no script, no picture, no style and no font from elsewhere; every tag is closed."""
    page, _ = written(ledger)

    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", page)
    assert "<script" not in page
    assert "prefers-color-scheme:dark" in page
    assert "width=device-width" in page
    balanced = _Balanced()
    balanced.feed(page)
    assert balanced.open == []


def test_what_the_ledger_holds_is_only_text(ledger: Ledger) -> None:
    """Markup in names, errors and comments is shown, never obeyed, in HTML, in Markdown and in the picture."""
    write_story(ledger)
    evil = "<script>alert(1)</script>|\n# x [a](http://b)"
    with ledger.session() as session:
        session.execute(update(IncidentRow).values(ending_reason=evil, ending_hint=evil, opened_by=evil))
        session.execute(update(StepRow).values(subject=evil, error=evil))
        session.execute(
            update(TimelineRow).where(TimelineRow.kind == "notice").values(text=evil, kind="resume")
        )

    path = _report.write_report(ledger, INCIDENT)
    page, text = path.read_text(), path.with_suffix(".md").read_text()

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in text.replace("\\<", "")
    assert "\n# x" not in text
    assert "[a](" not in text
    assert "does not fit its chain" in page, "an altered timeline must be called so"


def test_an_open_incident_has_a_report_too(ledger: Ledger) -> None:
    """A report of a run that is still going says so instead of failing."""
    write_story(ledger)
    with ledger.session() as session:
        session.execute(update(IncidentRow).values(ending=None, closed_at=None, seconds={}))

    page = _report.write_report(ledger, INCIDENT).read_text()

    assert "Still open" in page


def test_an_id_is_never_a_path() -> None:
    """An id that would leave the folder is refused."""
    with pytest.raises(RecoveryRefused):
        _report.path_of("../../etc/passwd")


@pytest.mark.parametrize("ending", [Ending.RECOVERED, Ending.NOT_RECOVERED])
def test_nothing_in_the_picture_leaves_it(ledger: Ledger, ending: Ending) -> None:
    """On a desk and on a phone, every bar, mark and label lies within the picture."""
    write_story(ledger, ending)
    with ledger.reading() as session:
        story = read_story(session, INCIDENT)

    for width in (820, 360):
        drawn = _timeline_picture.draw(story, width).as_str()
        for x in re.findall(r' (?:x|x1|x2|cx)="([\d.-]+)"', drawn):
            assert 0 <= float(x) <= width
        assert drawn.count('class="lane"') == 7
    assert _timeline_picture.data_address(story).startswith("data:image/svg+xml;base64,")


class _Balanced(HTMLParser):
    """Follows which tags are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an open tag."""
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """It closes itself."""

    def handle_endtag(self, tag: str) -> None:
        """Close the last one, which must be this one."""
        assert self.open.pop() == tag
