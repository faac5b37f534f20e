"""A story as the report tells it: sentences, rows and figures, each worded once for HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from flows._prediction import afterwards, expected
from flows._wording import ENDINGS, action_name, headline, several, short_seconds
from ledger.models import StepRow
from ledger.stories import Story
from rules.escalation import Message, after_incident
from rules.losses import losses
from rules.outcomes import Ending, Verdict
from tasks.notices import name_of

GOOD = (Ending.RECOVERED, Ending.NOTHING_TO_DO, Ending.REHEARSED)
SEEN_LETTERS = 280
"""Of what detection saw, in the first paragraph: it is read first, and must not be a wall."""

VERDICT_TONES = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.INCONCLUSIVE: "unsure"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the large figures at the top."""

    value: str
    label: str
    tone: str = ""


def told_of(story: Story) -> dict[str, Any]:
    """Everything the templates need."""
    row = story.incident
    return {
        "incident": row,
        "title": f"{headline(row.scenario)} in {row.environment}",
        "ending": ENDINGS.get(row.ending or "", "Still open"),
        "tone": _tone(row.ending),
        "figures": _figures(story),
        "in_short": in_short(story),
        "phases": _phases(story),
        "total": short_seconds(story.total_seconds),
        "promise": _promise(story),
        "alarm_delay": _alarm_delay(story),
        "chapters": [
            {
                "plan": chapter.plan,
                "state": chapter.state,
                "tone": {"verified": "good", "failed": "bad", "undone": "bad"}.get(chapter.state, ""),
                "pinned_at": chapter.pinned_at,
                "snapshot": chapter.snapshot,
                "expected": expected(chapter.plan.prediction),
                "took": afterwards(chapter),
            }
            for chapter in story.chapters
        ],
        "finding": story.finding,
        "guards": list(dict.fromkeys(entry.text for entry in story.entries if entry.kind == "guard")),
        "approvals": story.approvals,
        "steps": [_step(story, step) for step in story.steps],
        "verification": story.verification,
        "verification_tone": VERDICT_TONES[story.verification.verdict] if story.verification else "",
        "notices": story.notices,
        "escalations": story.escalations,
        "told": _told(story),
        "updates": _updates(story),
        "losses": losses(
            ((chapter.plan, chapter.state) for chapter in story.chapters), story.incident.opened_at
        ),
        "tasks": after_incident(
            Ending(row.ending) if row.ending else None,
            rehearsal=row.rehearsal,
            broke_glass=any(answer.decision == "break-glass" for answer in story.approvals),
            found=story.finding.situation if story.finding else None,
        ),
        "whys": _whys(story),
        "entries": story.entries,
        "broken_at": story.broken_at,
        "head": story.head,
    }


def in_short(story: Story) -> str:
    """What happened, in one paragraph."""
    row = story.incident
    by = f" by {row.opened_by}" if row.opened_by else ""
    said = [
        f"At {row.opened_at:%H:%M:%S} UTC {'a rehearsal' if row.rehearsal else 'an incident'} was opened{by}"
    ]
    said[0] += f" ({row.reason.rstrip('.')})." if row.reason else "."
    if story.finding:
        seen = shorten(story.finding.summary.rstrip("."), SEEN_LETTERS, placeholder=" … (see Evidence)")
        said.append(f"Detection saw: {seen}.")
    for chapter in story.chapters:
        ended = {
            "verified": " It was carried out and verified.",
            "failed": " It failed.",
            "undone": " It failed and was undone.",
            "void": " It became void before it was carried out.",
            "acting": " It was begun.",
            "undoing": " Its undo was begun.",
        }
        said.append(
            f"The plan was to {_lower(chapter.plan.title)} ({several(len(chapter.plan.changes), 'change')})."
            + ended.get(chapter.state, "")
        )
    resumed = sum(entry.kind == "resume" and "taken over" in entry.text for entry in story.entries)
    if resumed:
        said.append(f"A run died half way; it was taken up again {several(resumed, 'time')}.")
    if row.ending:
        word = ENDINGS[row.ending].lower()
        reason = row.ending_reason.rstrip(".")
        said.append(
            f"After {short_seconds(story.total_seconds)} it ended: {word}"
            + ("." if row.ending == Ending.RECOVERED or not reason else f". {reason[0].upper()}{reason[1:]}.")
        )
    else:
        said.append(f"It is still open, in the phase {row.phase}.")
    return " ".join(said)


def _lower(title: str) -> str:
    return title[0].lower() + title[1:] if title else title


def _tone(ending: str | None) -> str:
    if ending is None:
        return "unsure"
    if ending == Ending.REFUSED:
        return "unsure"
    return "good" if ending in GOOD else "bad"


def _figures(story: Story) -> list[Figure]:
    row, figures = story.incident, []
    tone = _tone(row.ending)
    label = (
        "opened to recovered"
        if row.ending == Ending.RECOVERED
        else "opened to ending"
        if row.ending
        else "open so far"
    )
    figures.append(Figure(short_seconds(story.total_seconds), label, tone if tone != "unsure" else ""))
    if row.ending == Ending.RECOVERED:
        kept = story.total_seconds <= row.budget_seconds
        figures.append(
            Figure(
                "kept" if kept else "missed",
                f"promise of {short_seconds(row.budget_seconds, exact=False)}",
                "good" if kept else "bad",
            )
        )
    else:
        figures.append(Figure(short_seconds(row.budget_seconds, exact=False), "the runbook's promise"))
    if story.steps:
        failed = sum(step.result == "failed" for step in story.steps)
        changed = sum(step.result == "changed" for step in story.steps)
        told = f"{several(len(story.steps), 'step')} taken" + (f", {failed} failed" if failed else "")
        figures.append(Figure(f"{changed} changed", told))
    elif story.plan:
        figures.append(Figure(str(len(story.plan.changes)), "changes planned"))
    if story.verification:
        checks = story.verification.checks
        passed = sum(check.verdict is Verdict.PASS for check in checks)
        figures.append(
            Figure(f"{passed} of {len(checks)}", "checks passed", VERDICT_TONES[story.verification.verdict])
        )
    return figures


def _phases(story: Story) -> list[dict[str, str]]:
    total = sum(story.seconds.values()) or 1.0
    return [
        {"name": phase.value, "took": short_seconds(taken), "share": f"{100 * taken / total:.0f} %"}
        for phase, taken in story.seconds.items()
    ]


def _promise(story: Story) -> dict[str, str]:
    budget, total = story.incident.budget_seconds, story.total_seconds
    limit = short_seconds(budget, exact=False)
    share = f"{100 * total / budget:.0f} % of it" if budget else ""
    if story.incident.ending != Ending.RECOVERED:
        return {"limit": limit, "verdict": f"{share} gone by", "tone": "bad" if total > budget else ""}
    if total <= budget:
        return {"limit": limit, "verdict": f"kept, {share}", "tone": "good"}
    return {"limit": limit, "verdict": f"missed by {short_seconds(total - budget)}", "tone": "bad"}


def _alarm_delay(story: Story) -> str:
    if story.alarm is None:
        return ""
    alarm, opened = story.alarm, story.incident.opened_at
    said = (
        f"The alarm {alarm.name or alarm.id} ({alarm.source}) was received {alarm.received_at:%H:%M:%S} UTC, "
    )
    said += f"{short_seconds(max(0.0, (opened - alarm.received_at).total_seconds()))} before the incident was opened"
    if alarm.occurred_at and alarm.occurred_at <= alarm.received_at:
        said += f"; it had fired {short_seconds((alarm.received_at - alarm.occurred_at).total_seconds())} before that"
    return said + "."


def _step(story: Story, step: StepRow) -> dict[str, Any]:
    tones = {"changed": "good", "unchanged": "", "failed": "bad", None: "unsure"}
    effect = step.effect or {}
    told = step.error
    if step.result == "changed" and effect.get("after"):
        told = f"{effect.get('before') or '–'} → {effect['after']}" + (
            f", {effect['detail']}" if effect.get("detail") else ""
        )
    elif effect.get("detail"):
        told = str(effect["detail"])
    return {
        "at": f"{step.intent_at:%H:%M:%S}",
        "name": action_name(step.action),
        "subject": step.subject,
        "attempt": step.attempt,
        "told": told,
        "result": step.result or "cut off",
        "tone": tones[step.result],
        "took": short_seconds((step.result_at - step.intent_at).total_seconds()) if step.result_at else "–",
    }


def _told(story: Story) -> list[dict[str, str]]:
    rows = []
    for notice in story.notices:
        sent = notice.sent_at is not None
        what = name_of(notice.kind)
        rows.append(
            {
                "what": what,
                "when": f"{notice.sent_at or notice.intent_at:%H:%M:%S}",
                "state": f"sent, {several(notice.channels, 'channel')}" if sent else "not sent",
                "tone": "good" if sent else "bad",
                "detail": notice.error,
            }
        )
    for level in story.escalations:
        if level.sent_at:
            state, tone, when = "paged", "unsure", level.sent_at
        elif level.cancelled_at:
            state, tone, when = "not needed", "", level.due_at
        else:
            state, tone, when = "due", "unsure", level.due_at
        after = short_seconds((level.due_at - story.incident.opened_at).total_seconds(), exact=False)
        rows.append(
            {
                "what": f"{level.name or f'level {level.level}'}, after {after}",
                "when": f"{when:%H:%M:%S}",
                "state": state,
                "tone": tone,
                "detail": "",
            }
        )
    return rows


def _updates(story: Story) -> list[dict[str, Any]]:
    """What people were told, word for word: condition, actions, needs."""
    return [
        {"at": entry.at, "message": Message.model_validate(entry.data)}
        for entry in story.entries
        if entry.kind == "notice" and "condition" in entry.data
    ]


def _whys(story: Story) -> list[str]:
    row = story.incident
    if row.rehearsal or row.ending in (Ending.NOTHING_TO_DO, Ending.ALREADY_HANDLED):
        return []
    saw = story.finding.summary.rstrip(".") if story.finding else headline(row.scenario).lower()
    return [
        f"Why did it happen that {saw}?",
        "Why was that possible?",
        "Why did nothing before production show it?",
        "Why was it not prevented last time?",
        "Why would it not happen again?",
    ]
