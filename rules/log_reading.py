"""Reading logs to their end although AWS throttles it: how long to wait, how much to ask for, what is left.

Runbook source: 000, scenario 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from rules.outcomes import Check, Verdict
from rules.values import Frozen

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds: the most that is waited after the first refusal, and ever."""

USUAL_RATE = 5.0
"""FilterLogEvents calls a second that an account has where its quota cannot be told."""

OUR_SHARE = 0.5
"""Of the quota: others read logs too."""

MOST_REFUSALS = 12
"""Rounds in a row in which nothing was answered; then it is given up, and what was read is kept."""

NARROW_AFTER = 2
"""Refusals of one window, before any of it was read."""

MOST_GROUPS = 4
"""Log groups that are read at once, to begin with."""

LONGEST_WINDOW, SHORTEST_WINDOW, MOST_WINDOWS = 300_000, 30_000, 200
"""Milliseconds: narrower ones only cost more calls; and how many windows a group is cut into at the most."""

QUOTA_NAMES = ("filterlogevents",)


class Window(NamedTuple):
    """A part of a log group: milliseconds since 1970, both ends belong to it."""

    group: str
    start: int
    end: int


class LogEvent(NamedTuple):
    """One event, ordered by time; its id is AWS's own."""

    time: int
    group: str
    id: str
    message: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is asked for at once, and how many rounds in a row got no answer."""

    at_once: int
    refused_rounds: int = 0

    def after(self, answered: int, refused: int) -> Pace:
        """The pace after a round: a refusal halves what is asked at once; only an answer ends the waiting."""
        at_once = max(1, self.at_once // 2) if refused else self.at_once
        rounds = 0 if answered else self.refused_rounds + 1
        return replace(self, at_once=at_once, refused_rounds=rounds)

    @property
    def hopeless(self) -> bool:
        """Whether nothing was answered for too long."""
        return self.refused_rounds >= MOST_REFUSALS


def wait_seconds(rounds: int, chance: float) -> float:
    """How long to wait after a refusal, with full jitter; `chance` is drawn from 0 to 1."""
    return chance * min(LONGEST_WAIT, FIRST_WAIT * float(2 ** max(rounds, 1)))


def share_of(quota: float | None) -> float:
    """Calls a second that we allow ourselves."""
    return OUR_SHARE * (quota or USUAL_RATE)


def quota_of(quotas: Mapping[str, float]) -> float | None:
    """FilterLogEvents calls a second, from quotas by their names; None: none of them says."""
    found = [value for name, value in quotas.items() if any(n in name.lower() for n in QUOTA_NAMES)]
    return min(found, default=None)


def cut(window: Window) -> list[Window]:
    """A window in pieces, each small enough that losing one half-read costs little."""
    span = window.end - window.start + 1
    longest = max(LONGEST_WINDOW, -(-span // MOST_WINDOWS))
    starts = range(window.start, window.end + 1, longest)
    return [window._replace(start=start, end=min(start + longest - 1, window.end)) for start in starts]


def narrowed(window: Window, refusals: int, *, begun: bool) -> list[Window]:
    """The window's halves when AWS refuses it again and again; itself while there is hope, or something was read."""
    if begun or refusals < NARROW_AFTER or window.end - window.start < 2 * SHORTEST_WINDOW:
        return [window]
    middle = (window.start + window.end) // 2
    return [window._replace(end=middle), window._replace(start=middle + 1)]


def left_of(wanted: Window, done: Iterable[Window]) -> list[Window]:
    """What of a window was not read yet."""
    left, start = [], wanted.start
    for each in sorted(one for one in done if one.group == wanted.group):
        if each.start > start:
            left.append(wanted._replace(start=start, end=min(each.start - 1, wanted.end)))
        start = max(start, each.end + 1)
        if start > wanted.end:
            return left
    return [*left, wanted._replace(start=start)]


def each_once(events: Iterable[LogEvent]) -> Iterator[LogEvent]:
    """Ordered events without repetitions: one of each id."""
    last: tuple[int, str, str] | None = None
    for event in events:
        if (event.time, event.group, event.id) != last:
            yield event
        last = (event.time, event.group, event.id)


class ReadLogs(Frozen):
    """What is kept of a reading. `whole`: the file is the one that was written, each event once, in its order."""

    number: int
    groups: tuple[str, ...]
    start: int
    end: int
    events: int
    whole: bool = True


def judge_reading(run: str, *, alive: bool, throttled: str, read: ReadLogs | None) -> Check:
    """Whether a run has all of its logs. `throttled` is the line that says it has not; empty: none does."""
    name, wanted = f"logs of {run}", "complete, each event once"
    if read is not None and read.whole:
        told = f"{read.events} events of {len(read.groups)} groups were read to their end"
        return Check(name=name, verdict=Verdict.PASS, reason=told, wanted=wanted)
    if read is not None:
        return Check(
            name=name, verdict=Verdict.FAIL, reason="they were changed after they were read", wanted=wanted
        )
    if alive:
        return Check(name=name, verdict=Verdict.PASS, reason="it still runs", wanted=wanted)
    if throttled:
        return Check(name=name, verdict=Verdict.FAIL, reason=f"AWS throttled it: {throttled}", wanted=wanted)
    return Check(name=name, verdict=Verdict.PASS, reason="it does not say that it was throttled")


def judge_newest(group: str, missing: int, seen: int) -> Check:
    """Whether what AWS gives of a group's last minute is all there: events can come late."""
    if missing:
        told = f"{missing} events of the last minute came after it was read: start it again"
        return Check(name=group, verdict=Verdict.FAIL, reason=told, wanted="none is missing")
    return Check(name=group, verdict=Verdict.PASS, reason=f"all {seen} events of the last minute are there")
