"""Workflow runs that live by the clock: what each job and step is doing follows from when its attempt began."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Obeys = Literal["cancel", "force", "nothing"]
FOREVER = float("inf")
_AGES = 10.0**8
"""Seconds: as good as forever, and still a date."""
_GRACE = timedelta(seconds=0.4)
"""How long a job that is asked to end takes for it."""


@dataclass(slots=True)
class StepScript:
    """A step: how long it takes (`FOREVER`: it hangs) and how it ends."""

    name: str
    seconds: float = 0.2
    conclusion: str = "success"


@dataclass(slots=True)
class JobScript:
    """A job and its log, which can be read once it has ended."""

    name: str
    steps: list[StepScript]
    log: str = ""
    id: int = 0


@dataclass(slots=True)
class Attempt:
    """One attempt of a run. Its jobs follow one another; after one that failed the others are skipped."""

    number: int
    begun: datetime
    jobs: list[JobScript]
    queued_seconds: float = 0.3
    held: Literal["", "waiting", "pending"] = ""
    """It waits for a person, or for another run of its concurrency group."""
    obeys: Obeys = "cancel"
    asked_to_end: datetime | None = None
    forced: bool = False
    told: set[str] = field(default_factory=set)
    """Which webhooks were sent."""

    @property
    def stopped(self) -> datetime | None:
        """When it was ended from outside; None: it was not, or does not obey."""
        if self.asked_to_end is None or self.obeys == "nothing":
            return None
        if self.forced:
            return self.asked_to_end
        return self.asked_to_end + _GRACE if self.obeys == "cancel" else None


@dataclass(frozen=True, slots=True)
class Span:
    """A job or step as it stands at a moment."""

    status: str
    conclusion: str | None
    begun: datetime | None
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Life:
    """An attempt as it stands at a moment."""

    whole: Span
    jobs: list[tuple[JobScript, Span, list[Span]]]


def live(attempt: Attempt, now: datetime) -> Life:
    """What an attempt is doing at `now`."""
    stop = attempt.stopped
    clock = attempt.begun + timedelta(seconds=min(attempt.queued_seconds, _AGES))
    jobs: list[tuple[JobScript, Span, list[Span]]] = []
    skip = False
    ended_at = stop if stop and stop <= now else None
    for job in attempt.jobs:
        if attempt.held or skip:
            jobs.append((job, _idle(attempt, skip=skip, ended=ended_at, now=now), []))
            continue
        spans, begun = [], clock
        for step in job.steps:
            spans.append(_span(step, clock, stop, now))
            clock += timedelta(seconds=min(step.seconds, _AGES))
        bad = [span.conclusion for span in spans if span.conclusion not in (None, "success", "skipped")]
        conclusion = bad[0] if bad else "success"
        over = all(span.ended for span in spans)
        if begun > now or (stop and stop <= begun):
            jobs.append((job, _idle(attempt, skip=False, ended=ended_at, now=now), []))
        else:
            ended = max((span.ended for span in spans if span.ended), default=None) if over else None
            status = "completed" if over else "in_progress"
            whole = Span(status, conclusion if over else None, begun, ended)
            jobs.append((job, whole, spans))
        skip = conclusion == "failure"
    return Life(_whole(attempt, jobs, stop, now), jobs)


def _span(step: StepScript, begun: datetime, stop: datetime | None, now: datetime) -> Span:
    end = begun + timedelta(seconds=step.seconds) if step.seconds != FOREVER else None
    if stop and stop <= now and (end is None or end > stop):
        if begun >= stop:
            return Span("completed", "skipped", stop, stop)
        return Span("completed", "cancelled", begun, stop)
    if end and end <= now:
        return Span("completed", step.conclusion, begun, end)
    return Span("in_progress", None, begun, None) if begun <= now else Span("queued", None, None, None)


def _idle(attempt: Attempt, *, skip: bool, ended: datetime | None, now: datetime) -> Span:
    """A job that never began."""
    if skip:
        return Span("completed", "skipped", now, now)
    if ended:
        return Span("completed", "cancelled", attempt.begun, ended)
    return Span(attempt.held or "queued", None, None, None)


def _whole(
    attempt: Attempt, jobs: list[tuple[JobScript, Span, list[Span]]], stop: datetime | None, now: datetime
) -> Span:
    spans = [span for _, span, _ in jobs]
    if stop and stop <= now and any(span.conclusion == "cancelled" for span in spans):
        return Span("completed", "cancelled", attempt.begun, stop)
    if all(span.status == "completed" for span in spans):
        bad = next((span.conclusion for span in spans if span.conclusion not in ("success", "skipped")), "")
        ended = max(span.ended for span in spans if span.ended) if spans else attempt.begun
        return Span("completed", bad or "success", attempt.begun, ended)
    if attempt.held:
        return Span(attempt.held, None, attempt.begun, None)
    moving = any(span.status != "queued" for span in spans)
    return Span("in_progress" if moving else "queued", None, attempt.begun, None)
