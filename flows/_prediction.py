"""How long a plan will take, in words: before it is carried out, while it is, and afterwards."""

from __future__ import annotations

from datetime import datetime

from flows._wording import several, short_seconds
from ledger.stories import Chapter, Story
from rules.predictions import ENOUGH, Prediction


def expected(prediction: Prediction | None) -> str:
    """How long it will take: `about 40 s, 95 % within 62 s (23 runs here)`; empty where nobody predicted anything."""
    if prediction is None:
        return ""
    where = "anywhere" if prediction.everywhere else "here"
    if prediction.middle is None or prediction.bound is None:
        promised = short_seconds(prediction.promised, exact=False)
        return f"not known yet: {prediction.runs} of {ENOUGH} runs {where}; the runbook promises {promised}"
    return (
        f"about {short_seconds(prediction.middle)}, {100 * prediction.covers:.0f} % within "
        f"{short_seconds(prediction.bound)} ({several(prediction.runs, 'run')} {where})"
    )


def paragraph(prediction: Prediction | None) -> str:
    """The same as a paragraph of Markdown, for where a plan is shown; empty where nobody predicted anything."""
    return f"How long it takes: {expected(prediction)}.\n\n" if prediction else ""


def so_far(story: Story, at: datetime) -> str:
    """How an open incident stands against its prediction at a moment; empty where there is nothing to compare."""
    chapter = story.chapters[-1] if story.chapters else None
    prediction = chapter.plan.prediction if chapter else None
    if chapter is None or prediction is None or story.incident.ending:
        return ""
    if chapter.state != "acting" or chapter.acting_at is None:
        return f"Predicted once it acts: {expected(prediction)}." if chapter.state == "pinned" else ""
    if prediction.middle is None:
        passed = max(0.0, (at - story.incident.opened_at).total_seconds())
        told = f"Promised {short_seconds(prediction.promised, exact=False)}"
    else:
        passed = max(0.0, (at - chapter.acting_at).total_seconds())
        told = f"Predicted {short_seconds(prediction.middle)}, at most {short_seconds(prediction.limit)}"
    return f"{told}, now {short_seconds(passed)}: {'late' if passed > prediction.limit else 'in time'}."


def afterwards(chapter: Chapter) -> str:
    """What it took beside what was predicted; empty while it is not proven."""
    prediction, took = chapter.plan.prediction, chapter.seconds_taken
    if took is None:
        return ""
    told = f"took {short_seconds(took)}"
    if prediction is None or prediction.bound is None:
        return told
    return f"{told}, {'within' if took <= prediction.bound else 'longer than'} the prediction"
