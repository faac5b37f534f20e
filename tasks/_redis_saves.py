"""Telling Redis to write its data file, and waiting until it has: others may be saving at the same time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from blocks.redis_errors import translated
from rules.errors import StepFailed, TransientFailure
from tasks.kinds import pause

if TYPE_CHECKING:
    from redis import Redis

_SAVE_SECONDS, _POLL_SECONDS = 300.0, 0.05


class SaveRefused(StepFailed):
    """Raised when Redis cannot write its data file."""


def save(redis: Redis) -> int:
    """Save in the background and wait for the end; the number of saves since Redis started.

    Raises:
        SaveRefused: it cannot write its data file.
        TransientFailure: Redis does not answer, or does not finish.
    """
    from redis.exceptions import ResponseError

    deadline, before = time.monotonic() + _SAVE_SECONDS, None
    while time.monotonic() < deadline:
        now = persistence(redis)
        busy = now["rdb_bgsave_in_progress"] or now["aof_rewrite_in_progress"] or now["loading"]
        if before is not None and not busy:
            if now["rdb_last_bgsave_status"] != "ok":
                raise SaveRefused(
                    "Redis could not write its data file.", hint="Is its disk full, or read-only?"
                )
            if now["rdb_saves"] > before:
                return int(now["rdb_saves"])
            before = None  # another one's save failed meanwhile
        if before is None and not busy:
            try:
                with translated("tell Redis to save"):
                    redis.bgsave()
                before = int(now["rdb_saves"])
            except StepFailed as error:
                if not isinstance(error.__cause__, ResponseError) or "in progress" not in error.message:
                    raise _refused(error) from error
        pause(_POLL_SECONDS)
    raise TransientFailure(
        "Redis did not finish saving in time.", hint="Is its disk slow, or its memory scarce?"
    )


def _refused(error: StepFailed) -> StepFailed:
    """A save that was refused has another way; silence has not."""
    return error if isinstance(error, TransientFailure) else SaveRefused(error.message, hint=error.hint)


def persistence(redis: Redis) -> dict[str, Any]:
    """What Redis says of its files."""
    with translated("ask Redis whether it has saved"):
        found: dict[str, Any] = redis.info("persistence")
    return found
