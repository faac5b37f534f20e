"""The incident report: one Markdown and one self-contained HTML file, written from the ledger and nothing else.

Writing it again gives the same bytes. Runbook sources: 001 «Post-Incident», «Post-Incident Checklist»;
003 «Post-Rollback»; 004 «Post-Rollback Actions».
"""

from __future__ import annotations

import os
import re
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path

import jinja2

from blocks.settings import settings
from flows import _timeline_picture
from flows._retelling import told_of
from ledger.database import Ledger
from ledger.stories import Story, read_story
from rules.errors import RecoveryRefused

TEMPLATES = Path(__file__).parent / "_report_templates"


def folder() -> Path:
    """Where the reports lie."""
    return settings().home / "reports"


def path_of(incident_id: str) -> Path:
    """Where an incident's HTML report is, or will be; the Markdown lies beside it."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", incident_id):
        raise RecoveryRefused(f"{incident_id!r} is not the id of an incident.", hint="`backstop incidents`.")
    return folder() / f"{incident_id}.html"


def write_report(ledger: Ledger, incident_id: str) -> Path:
    """Write both files, each in one step, and return the HTML's path.

    Raises:
        OSError: the folder cannot be written.
        RecoveryRefused: there is no such incident.
    """
    path = path_of(incident_id)
    with ledger.reading() as session:
        story = read_story(session, incident_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path.with_suffix(".md"), markdown(story))
    write_page(path, html(story))
    return path


def html(story: Story) -> str:
    """The report as one HTML page that needs nothing else."""
    facts = told_of(story)
    return _HTML.render(
        **facts,
        wide_picture=_drawn(story, 820) if story.stretches else "",
        narrow_picture=_drawn(story, 360) if story.stretches else "",
        picture_style=_timeline_picture.STYLE.strip(),
        picture_dark=_timeline_picture.DARK.strip(),
    )


def markdown(story: Story, picture: str = "") -> str:
    """The report as Markdown; `picture` is the address of the timeline's picture, if it is to be shown."""
    return _MARKDOWN.render(**told_of(story), picture=picture)


def _drawn(story: Story, width: int) -> str:
    return _timeline_picture.draw(story, width).as_str()


@cache
def templates() -> jinja2.Environment:
    """The reports' templates, each page escaped."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        # Every page is escaped; Markdown has filters of its own.
        autoescape=lambda name: bool(name) and str(name).endswith((".html.j2", ".css.j2")),  # noqa: S701 - on for HTML, off for Markdown
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
        keep_trailing_newline=True,
    )
    templates.filters |= {"day": _day, "clock": _clock, "clock_ms": _clock_ms, "cell": _cell, "code": _code}
    return templates


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"


def _clock_ms(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def _cell(text: str) -> str:
    """Text that means nothing to Markdown: one line, no tables, tags, links or emphasis of its own."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(text).split())).replace("&", "&amp;")


def _code(text: str) -> str:
    told = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{told}`" if told else "–"


def write_page(path: Path, text: str) -> None:
    """Write in one step: a reader sees the old file or the new one, never a half."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# Compiled when imported: in a process that is warmed up beforehand it costs the recovery nothing, else 0.15 s.
_HTML = templates().get_template("report.html.j2")
_MARKDOWN = templates().get_template("report.md.j2")
