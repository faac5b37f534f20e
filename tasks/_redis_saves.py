"""Seeing that what Redis holds is on its disk: its data file is written, or its append-only file has everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.errors import StepFailed, TransientFailure
from tasks.kinds import pause
from tasks.redis_data import connection, look_at_redis

if TYPE_CHECKING:
    from redis import Redis

_SAVE_SECONDS, _POLL_SECONDS = 300.0, 0.05
_PAUSE_MILLISECONDS = 60_000
_APPEND_SECONDS = 5.0
"""It may keep what is to be appended for two seconds, while its disk is busy."""


class SaveRefused(StepFailed):
    """Raised when Redis cannot write its data file."""


def everything_is_on_disk(environment: Environment) -> bool:
    """Hold writers back and see that all that Redis holds is on its disk: then it may be killed and loses nothing.

    False where it does not answer, or cannot tell: it should be asked to end, and be given time.

    Raises:
        TransientFailure: it does not finish saving.
        StepFailed: only its memory has what it holds, and it cannot save that; writers go on.
    """
    look = look_at_redis.fn(environment)
    if not look.answers or look.loading:
        return False
    with connection(environment, timeout_seconds=30) as redis:
        appends = look.append_only and look.last_append_ok
        try:
            with translated("hold writers back"):
                redis.client_pause(_PAUSE_MILLISECONDS, all=False)
        except StepFailed:
            if appends:
                return False  # an older one cannot; asked to end, it appends what is left
            raise
        if appends:
            return _has_appended(redis)
        try:
            save(redis)
        except StepFailed as error:
            with translated("let writers go on"):
                redis.client_unpause()
            if isinstance(error, TransientFailure):
                raise
            raise StepFailed(
                f"Redis is not stopped, for it cannot save what only its memory holds: {error.message}",
                hint="Bring its data back from a backup instead: then what it holds is kept beside it.",
            ) from error
    return True


def _has_appended(redis: Redis) -> bool:
    """Whether its append-only file has everything; what is in the system's hands outlives the process."""
    deadline = time.monotonic() + _APPEND_SECONDS
    while persistence(redis)["aof_buffer_length"]:
        if time.monotonic() > deadline:
            return False
        pause(_POLL_SECONDS)
    return True


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
