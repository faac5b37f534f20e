"""When an environment is drilled by the clock: inside its own window, in its own time zone, one after the other."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal

from rules.drills import DrillPolicy
from rules.severity import Tier

Paths = Literal["usual", "emergency"]

_ANY_DAY = date(2000, 1, 1)
_START, _DAYS = time(10), ("tue", "thu")
"""Where a policy names no window: people are at work, and the week has begun."""


def scheduled(policy: DrillPolicy, tier: Tier, paths: Paths) -> bool:
    """Whether an environment has drills of these paths by the clock. In production nobody approves a schedule."""
    if tier is Tier.PRODUCTION:
        return False
    return any(each.emergency == (paths == "emergency") for each in policy.allowed)


def cron(pattern: str, policy: DrillPolicy, later_minutes: int) -> str:
    """A cron expression of which `{minute}`, `{hour}` and `{day}` are the beginning of the policy's window.

    `{last_day}` is its last day. It begins so many minutes later, where that still is in the window.
    """
    window = policy.window
    start = window.start if window else _START
    later = (datetime.combine(_ANY_DAY, start) + timedelta(minutes=later_minutes)).time()
    inside = later > start and (window is None or not start < window.end <= later)
    begin = later if inside else start
    days = window.weekdays if window else _DAYS
    return pattern.format(minute=begin.minute, hour=begin.hour, day=days[0], last_day=days[-1])
