"""Watching a workflow run until it is as somebody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from blocks.environment import Environment
from blocks.github_errors import RateLimited
from rules.workflow_runs import RunLook
from tasks.kinds import pause, say, scaled
from tasks.workflow_runs import workflow_run

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 1.0, 5.0, 1.3


def watch_run(
    environment: Environment, run_id: int, satisfied: Callable[[RunLook], bool], seconds: float
) -> RunLook:
    """Look every 1 to 5 s, until `satisfied` or for `seconds` (scaled); the last look.

    A rate limit is waited out as long as GitHub asks, not longer than the time that is left.

    Raises:
        StepFailed: the run cannot be read, `RateLimited` where not even once in that time.
    """
    give_up, wait = time.monotonic() + scaled(seconds), FIRST_PAUSE
    look: RunLook | None = None
    while True:
        try:
            look = workflow_run(environment, run_id)
        except RateLimited as limited:
            left = give_up - time.monotonic()
            if limited.retry_after_seconds > left:
                if look is None:
                    raise
                return look
            say(limited.message)
            pause(limited.retry_after_seconds / scaled(1.0))
            continue
        if satisfied(look) or time.monotonic() >= give_up:
            return look
        pause(wait)
        wait = min(wait * GROWTH, LONGEST_PAUSE)
