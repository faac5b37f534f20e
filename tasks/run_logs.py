"""The log events of the service under test, read again for a run to their end, however AWS throttles it."""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.log_reading import (
    MOST_GROUPS,
    LogEvent,
    Pace,
    ReadLogs,
    Window,
    cut,
    left_of,
    narrowed,
    quota_of,
    share_of,
    wait_seconds,
)
from rules.outcomes import Effect
from tasks._log_pieces import LOGS, Pieces, read_events, read_manifest, write_logs
from tasks._run_folders import run_folder
from tasks.kinds import action, in_parallel, pause, probe, say

_LAST_MINUTE = 60_000


@probe
def read_logs(environment: Environment, run_id: str) -> ReadLogs | None:
    """What is known of a run's logs; None: they were never read again. Permissions: none."""
    return read_manifest(run_folder(environment, run_id))


@probe
def log_quota(environment: Environment) -> float | None:
    """How many FilterLogEvents calls a second the account has; None: it cannot be told.

    Permissions: servicequotas:ListServiceQuotas
    """
    quotas = environment.aws.client("service-quotas", write_once=True)
    try:
        with translated("read the quotas of CloudWatch Logs"):
            pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="logs")
            return quota_of({each["QuotaName"]: each["Value"] for page in pages for each in page["Quotas"]})
    except StepFailed:
        return None  # not allowed, or busy as well: a careful pace needs no quota


@probe
def missing_events(environment: Environment, run_id: str, group: str, end: int) -> tuple[int, int]:
    """Of a group's last minute before `end`: how many events the run's logs lack, and how many there are.

    Permissions: logs:FilterLogEvents
    """
    reading = _Reading(Window(group, end - _LAST_MINUTE, end))
    while not reading.over:
        reading.read_page(environment.aws.client("logs"))
    wanted = {event.id for event in reading.events}
    have = {e.id for e in read_events(run_folder(environment, run_id) / LOGS) if e.id in wanted}
    return len(wanted - have), len(wanted)


@action(subject="the logs of {run_id}", retries=0)
def read_logs_again(
    environment: Environment, run_id: str, wanted: ReadLogs, per_second: float | None = None
) -> Effect:
    """Read what is missing of a run's logs, window by window, and put all of it together. Repeating it changes nothing.

    A refusal is waited out with full jitter; then fewer groups are asked at once, and smaller windows. A window that
    was read is kept on this host: after a death it is not read again.

    Permissions: logs:FilterLogEvents

    Raises:
        StepFailed: AWS refuses for too long, or a group cannot be read; what was read is kept.
    """
    folder, subject = run_folder(environment, run_id), f"the logs of {run_id}"
    pieces = Pieces(environment.name, run_id, wanted.number, wanted.groups)
    known = read_manifest(folder)
    if known is not None and known.whole and known.number == wanted.number:
        pieces.forget()
        return Effect(subject=subject, changed=False, after=f"{known.events} events")
    had = sorted(read_events(folder / LOGS))
    sweep = _Sweep(environment, pieces, share_of(per_second))
    sweep.run(wanted)
    read = write_logs(folder, heapq.merge(had, pieces.events()), wanted)
    pieces.forget()
    return Effect(
        subject=subject, changed=True, before=f"{len(had)} events", after=f"{read.events} events",
        detail=sweep.told,
    )  # fmt: skip


@dataclass(slots=True, eq=False)
class _Reading:
    """One window while it is read, a page at a time."""

    window: Window
    events: list[LogEvent] = field(default_factory=list)
    token: str = ""
    refusals: int = 0
    over: bool = False

    def read_page(self, logs: Any) -> bool:
        """Read the next page; false when AWS refused or did not answer in time.

        Raises:
            StepFailed: the group is not there, or may not be read.
        """
        group = self.window.group
        more = {"nextToken": self.token} if self.token else {}
        try:
            with translated(f"read the log group {group}"):
                page = logs.filter_log_events(
                    logGroupName=group, startTime=self.window.start, endTime=self.window.end, **more
                )
        except TransientFailure:
            self.refusals += 1
            return False
        self.events += [LogEvent(e["timestamp"], group, e["eventId"], e["message"]) for e in page["events"]]
        self.token, self.refusals = page.get("nextToken", ""), 0
        self.over = not self.token
        return True


class _Sweep:
    """Reads windows in rounds: in each, one page of at most `at_once` groups."""

    def __init__(self, environment: Environment, pieces: Pieces, rate: float) -> None:
        self._logs = environment.aws.client("logs", write_once=True)
        self._pieces, self._rate = pieces, rate
        self.calls, self.refused, self.narrowest = 0, 0, 0

    @property
    def told(self) -> str:
        """How it went."""
        narrow = f", windows down to {self.narrowest / 1000:g} s" if self.narrowest else ""
        return f"{self.calls} calls, {self.refused} refused{narrow}"

    def run(self, wanted: ReadLogs) -> None:
        """Read all that is not kept yet."""
        done = self._pieces.done()
        whole = [Window(group, wanted.start, wanted.end) for group in wanted.groups]
        left = [piece for window in whole for gap in left_of(window, done) for piece in cut(gap)]
        waiting, pace = deque(_Reading(window) for window in left), Pace(min(MOST_GROUPS, len(whole)))
        while waiting:
            batch = _of_different_groups(waiting, pace.at_once)
            answers = in_parallel([partial(reading.read_page, self._logs) for reading in batch])
            refused = answers.count(False)
            pace = pace.after(len(answers) - refused, refused)
            self.calls, self.refused = self.calls + len(batch), self.refused + refused
            for reading in reversed(batch):
                self._put_back(waiting, reading)
            if pace.hopeless:
                raise StepFailed(
                    f"AWS still refuses to show logs, {pace.refused_rounds} times in a row.",
                    hint="What was read is kept. Find out who reads so much, and start this again later.",
                )
            if refused:
                say(f"AWS refused {refused} of {len(batch)} log queries; {len(waiting)} windows are left")
            if waiting:
                waited = wait_seconds(pace.refused_rounds, random.random()) if refused else 0.0  # noqa: S311 - no secret
                pause(len(batch) / self._rate + waited)

    def _put_back(self, waiting: deque[_Reading], reading: _Reading) -> None:
        if reading.over:
            self._pieces.keep(reading.window, reading.events)
            return
        halves = narrowed(reading.window, reading.refusals, begun=bool(reading.token))
        if len(halves) == 1:
            waiting.appendleft(reading)
            return
        spans = [half.end - half.start + 1 for half in halves]
        self.narrowest = min([*spans, *([self.narrowest] if self.narrowest else [])])
        waiting.extendleft(_Reading(half) for half in reversed(halves))


def _of_different_groups(waiting: deque[_Reading], most: int) -> list[_Reading]:
    """The first reading of each group, taken out."""
    chosen: dict[str, _Reading] = {}
    for reading in waiting:
        if len(chosen) < most:
            chosen.setdefault(reading.window.group, reading)
    for reading in chosen.values():
        waiting.remove(reading)
    return list(chosen.values())
