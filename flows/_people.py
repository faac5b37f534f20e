"""Telling people: notices, pages, artifacts and the report, at the moments the frame knows.

What cannot be told stops no recovery. The exceptions are the frame's own: a lost lease, a time limit that is over,
a ledger that cannot be written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from blocks.environment import Environment
from flows import _escalations, _messages, _report
from flows._artifacts import Showcase
from ledger.cases import Case
from ledger.stories import Story, read_story
from rules.approvals import Requirement
from rules.errors import BackstopError
from rules.escalation import page_at_once
from rules.outcomes import Ending, Finding, Verdict
from rules.plans import Plan
from rules.severity import Severity
from tasks.notices import Mood, Notice, Sending, begin, tell

log = logging.getLogger("backstop")

_MOODS = {
    Ending.RECOVERED: Mood.SUCCESS,
    Ending.REFUSED: Mood.WARNING,
    Ending.NOT_RECOVERED: Mood.FAILURE,
    Ending.UNDO_FAILED: Mood.FAILURE,
}

_ENDED = "Paged at once because of how it ended."


@dataclass(slots=True)
class _Telling:
    """What is on its way for one incident of this process."""

    showcase: Showcase
    opening: Sending | None = None


_tellings: dict[str, _Telling] = {}


def opened(case: Case, environment: Environment) -> None:
    """An incident was opened: the notice goes out while the world is looked at."""
    telling = _of(case)
    with _harmless("the opening notice"):
        notice = Notice(case.incident_id, "opening", _messages.opening(_story(case)))
        telling.opening = begin(case.writing, notice, environment.escalation.notices, environment.account)


def schedule_escalations(case: Case, environment: Environment, finding: Finding) -> None:
    """Schedule who is paged when, before anything is changed."""
    _of(case)
    if not environment.escalation.levels:
        return
    with _harmless("scheduling the escalation"):
        _escalations.write_levels(case, environment, finding)
        problem = _escalations.schedule_on_server(case)
        if problem:
            case.record("escalation", f"the levels are in the ledger only: {problem}")
            _reach(case, environment, _escalations.due_now(case), "Paged at once because of what happened.")


def plan_made(case: Case, plan: Plan) -> None:
    """A plan was pinned."""
    telling = _of(case)
    if telling.opening and telling.opening.answered:
        telling.opening.finish()
        telling.opening = None
    with _harmless("showing the plan"):
        telling.showcase.plan(plan)


def approval_wanted(case: Case, environment: Environment, plan: Plan, requirement: Requirement) -> None:
    """A plan begins to wait for people: they are asked now, not when the first level is due."""
    path = environment.escalation
    with _harmless("asking for the approval"):
        message = _messages.asking(_story(case), plan, requirement)
        notice = Notice(case.incident_id, f"approval-{plan.digest[:12]}", message, Mood.WARNING, insist=True)
        channels = [*path.notices, *(path.levels[0].channels if path.levels else [])]
        if channels:
            tell(case.writing, notice, channels, environment.account)


def ended(case: Case, environment: Environment, ending: Ending, reason: str, hint: str) -> None:
    """The ending is known: closing notice, and pages at once where a person is needed."""
    telling = _of(case)
    if telling.opening:
        telling.opening.finish()
        telling.opening = None
    with _harmless("the report"):  # a first one: who dies between here and the closing leaves a report too
        _report.write_report(case.ledger, case.incident_id)
    if case.rehearsal:
        return
    with _harmless("the closing notice"):
        message = _messages.closing(_story(case), ending, reason, hint)
        notice = Notice(case.incident_id, "closing", message, _MOODS.get(ending, Mood.INFO))
        closing = begin(case.writing, notice, environment.escalation.notices, environment.account)
        _page(case, environment, ending)
        if closing:
            closing.finish()
    for problem in sorted(set(telling.showcase.problems)):
        case.record("notice", f"an artifact could not be written: {problem}")


def reported(case: Case) -> str:
    """Write the report; returns its path, or nothing where it could not be written."""
    telling, path = _of(case), ""
    with _harmless("the report"):
        path = str(_report.write_report(case.ledger, case.incident_id))
    with _harmless("the report's artifact"):
        telling.showcase.report()
        _escalations.cancel_on_server(case.ledger, case.incident_id)
        telling.showcase.shut()
    _tellings.pop(case.incident_id, None)
    return path


def _page(case: Case, environment: Environment, ending: Ending) -> None:
    """Page at once whom the ending needs; where they cannot be reached, the next one up."""
    story, levels = _story(case), environment.escalation.levels
    broken = story.finding is None or story.finding.health.verdict is not Verdict.PASS
    if ending is Ending.REFUSED and not broken:
        return  # whoever asked for it hears the refusal; nothing is down
    severity = Severity(story.incident.severity or Severity.HIGH)
    found = story.finding.situation if story.finding else None
    wanted = page_at_once(ending, severity, environment.tier, len(levels), found)
    reached = _reach(case, environment, wanted)
    for level in range(max(wanted, default=len(levels)) + 1, len(levels) + 1):
        if reached:
            break
        reached = _reach(case, environment, [level])


def _reach(case: Case, environment: Environment, levels: list[int], why: str = _ENDED) -> bool:
    """Page levels at the same time. True: at least one of them was reached, now or before."""
    begun = [
        (
            level,
            _escalations.begin_page(case.writing, case.ledger, case.incident_id, level, environment, why),
        )
        for level in levels
    ]
    reached = False
    for level, sending in begun:
        if sending is None or sending.finish():
            name = environment.escalation.levels[level - 1].name
            _escalations.mark_paged(case.writing, case.incident_id, level, name)
            reached = True
    return reached


def _of(case: Case) -> _Telling:
    if case.incident_id not in _tellings:
        _tellings[case.incident_id] = _Telling(Showcase(case.ledger, case.incident_id))
    return _tellings[case.incident_id]


def _story(case: Case) -> Story:
    with case.ledger.reading() as session:
        return read_story(session, case.incident_id)


@contextmanager
def _harmless(what: str) -> Iterator[None]:
    try:
        yield
    except BackstopError:
        raise
    except Exception:
        log.exception("%s did not work", what)
