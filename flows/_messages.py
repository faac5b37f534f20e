"""What people are told: the opening, the closing, and pages with everything that is known so far."""

from __future__ import annotations

from datetime import datetime

from flows import _report
from flows._prediction import expected, so_far
from flows._prefect_server import run_address
from flows._wording import ENDINGS, action_name, headline, several, short_seconds
from ledger.stories import Story
from rules.approvals import Requirement
from rules.escalation import Message
from rules.outcomes import Ending, Phase, Verdict
from rules.plans import Plan


def opening(story: Story) -> Message:
    """Told when an incident opens, before anything was looked at."""
    row = story.incident
    by = row.opened_by or "nobody who gave a name"
    return Message(
        title=f"{row.environment}: {headline(row.scenario).lower()}, recovery begins",
        condition=f"Opened by {by}" + (f": {row.reason}" if row.reason else "."),
        needs="Nothing for now. You are paged if it does not end well.",
        where=_where(story),
    )


def asking(story: Story, plan: Plan, requirement: Requirement) -> Message:
    """Told when a plan begins to wait for people."""
    row = story.incident
    saw = story.finding.summary if story.finding else row.reason
    changes = [f"{change.subject}: {change.before} → {change.after}" for change in plan.changes]
    more = [f"and {len(changes) - 6} more"] if len(changes) > 6 else []
    takes = [f"how long it takes: {expected(plan.prediction)}"] if plan.prediction else []
    return Message(
        title=f"APPROVE? {row.environment}: {plan.title}",
        condition=f"{saw.rstrip('.')}. Needs {requirement.policy.value}: {requirement.reason}.",
        actions=(*changes[:6], *more, *takes),
        needs=f"Approve or reject: resume the run in the UI, or `backstop approve {row.id}`.",
        where=_where(story),
    )


def closing(story: Story, ending: Ending, reason: str, hint: str) -> Message:
    """Told when it is known how an incident ended."""
    row = story.incident
    took = f"after {short_seconds(story.total_seconds)}, promise {short_seconds(row.budget_seconds, exact=False)}"
    checks = story.verification.checks if story.verification else ()
    passed = sum(check.verdict is Verdict.PASS for check in checks)
    return Message(
        title=f"{row.environment}: {headline(row.scenario).lower()}, {ENDINGS[ending].lower()}",
        condition=f"{reason.rstrip('.')} ({took}).",
        actions=(*_done(story), *([f"{passed} of {len(checks)} checks passed"] if checks else [])),
        needs=hint or ("Read the report." if ending is Ending.RECOVERED else ""),
        where=_where(story),
    )


def page(story: Story, why: str, at: datetime, *, run_is_dead: bool = False) -> Message:
    """Woken up: what is broken, what was done, whether it is late, what is needed, where to look."""
    row = story.incident
    saw = story.finding.summary if story.finding else row.reason or "not looked at yet"
    state = f"ended: {row.ending}" if row.ending else f"open, in the phase {row.phase}"
    since = f"since {row.opened_at:%H:%M} UTC, promise {short_seconds(row.budget_seconds, exact=False)}"
    return Message(
        title=f"PAGE {row.environment}: {headline(row.scenario).lower()}, {row.ending or 'still open'}",
        condition=f"{saw.rstrip('.')}. {(row.severity or 'severity unknown').capitalize()}, {since}; {state}. "
        + " ".join(filter(None, (why, "" if run_is_dead else so_far(story, at)))),
        actions=_done(story),
        needs=_needs(story, run_is_dead=run_is_dead),
        where=_where(story),
    )


def _done(story: Story) -> tuple[str, ...]:
    told = [f"{chapter.plan.title}: {chapter.state}" for chapter in story.chapters[-2:]]
    for step in story.steps[-3:]:
        tail = f" ({step.error})" if step.error else ""
        told.append(f"{action_name(step.action)} {step.subject}: {step.result or 'not ended'}{tail}")
    return tuple(told)


def _needs(story: Story, *, run_is_dead: bool) -> str:
    row = story.incident
    if row.ending:
        return row.ending_hint or row.ending_reason
    if run_is_dead:
        return (
            f"Its run is dead. Start {row.scenario} for {row.environment} again: it goes on where it stood "
            f"(`backstop recover {row.scenario} --environment {row.environment}`)."
        )
    waits = story.chapters and story.chapters[-1].state == "pinned" and row.phase == Phase.GUARD.value
    if waits:
        changes = several(len(story.chapters[-1].plan.changes), "change")
        return f"The plan ({changes}) waits for an approval: resume the run in the UI, or `backstop approve {row.id}`."
    return f"Look at it (`backstop show {row.id}`) and be ready to take over."


def _where(story: Story) -> str:
    run = run_address(story.incident.flow_run_id)
    report = f"Report: {_report.path_of(story.incident.id)}" if story.incident.ending else ""
    return "\n".join(
        each for each in (f"Run: {run}" if run else "", report, f"Incident: {story.incident.id}") if each
    )
