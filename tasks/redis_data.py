"""Redis: whether it answers, keeps and gives back, and how many keys it holds. Every look is bounded in time."""

from __future__ import annotations

import contextlib
import heapq
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.backup_proofs import SAMPLE, SAMPLED_BYTES, rank, value_mark
from rules.errors import StepFailed
from rules.health import Look
from rules.outcomes import Verdict
from rules.redis_health import ODD_KINDS, KeyCounts, RedisLook, count_by_prefix
from tasks.kinds import probe

if TYPE_CHECKING:
    from redis import Redis

OWN_PREFIX = "backstop:"
"""Of the keys that are ours; they never count as the service's."""

_CANARY_SECONDS = 60
_PAGE = 500
"""Keys asked for at once: half a millisecond of the server's time. Larger pages take as long, and others wait."""
_SLOW_SECONDS = 30.0


@probe(retries=0)
def look_at_redis(environment: Environment) -> RedisLook:
    """What Redis says of itself. That it does not answer, or is still loading, is an observation, not an error."""
    try:
        with connection(environment) as redis, translated("ask Redis how it is"):
            return look_of(redis.info("everything"), redis)
    except StepFailed as error:
        return RedisLook(answers=False, reason=error.message)


def look_of(told: dict[str, Any], redis: Redis | None = None) -> RedisLook:
    """The answer to INFO in our words."""
    loading = bool(told.get("loading"))
    return RedisLook(
        answers=True,
        version=str(told.get("redis_version", "")),
        loading=loading,
        role=str(told.get("role", "")),
        key_count=int(redis.dbsize()) if redis is not None and not loading else 0,
        used_memory=int(told.get("used_memory", 0)),
        max_memory=int(told.get("maxmemory", 0)),
        eviction_policy=str(told.get("maxmemory_policy", "")),
        evicted_keys=int(told.get("evicted_keys", 0)),
        append_only=bool(told.get("aof_enabled")),
        last_save_ok=told.get("rdb_last_bgsave_status", "ok") == "ok",
        last_append_ok=told.get("aof_last_write_status", "ok") == "ok",
        saving=bool(told.get("rdb_bgsave_in_progress")),
        saves=int(told.get("rdb_saves", 0)),
        uptime_seconds=int(told.get("uptime_in_seconds", 0)),
    )


@probe(retries=0)
def redis_canary(environment: Environment) -> Look:
    """Whether Redis keeps what is written: one key of ours is written, read and deleted; it expires by itself too."""
    key, value = f"{OWN_PREFIX}probe:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        with connection(environment) as redis, translated("write, read and delete a key"):
            redis.set(key, value, ex=_CANARY_SECONDS)
            read = redis.get(key)
            deleted = redis.delete(key)
    except StepFailed as error:
        return Look(verdict=Verdict.FAIL, reason=error.message)
    if read != value:
        return Look(verdict=Verdict.FAIL, reason="a key that was just written reads otherwise")
    if deleted != 1:
        return Look(verdict=Verdict.FAIL, reason="a key that was just written was gone")
    return Look(verdict=Verdict.PASS, reason="a key was written, read and deleted")


@probe
def count_keys(environment: Environment) -> KeyCounts:
    """How many keys there are and how many under each of the platform's prefixes, without blocking the server.

    Seconds for a million keys: keys that come and go meanwhile may or may not count.
    """
    prefixes = environment.docker_stack.redis.key_prefixes
    with (
        connection(environment, timeout_seconds=_SLOW_SECONDS) as redis,
        translated("count the keys"),
    ):
        return count(redis, prefixes)


def count(redis: Redis, prefixes: list[str]) -> KeyCounts:
    """The counts through an open connection; ours do not count."""
    total, counts, cursor, sampled = 0, dict.fromkeys(prefixes, 0), 0, set[str]()
    odd: dict[str, set[str]] = {kind: set() for kind in ODD_KINDS}
    while True:
        here = cursor
        cursor, keys = redis.scan(here, count=_PAGE)
        theirs = [key for key in cast("list[str]", keys) if not key.startswith(OWN_PREFIX)]
        total += len(theirs)
        for prefix, number in count_by_prefix(theirs, prefixes).items():
            counts[prefix] += number
        _sort_out(redis, here, {key for key in theirs if key.startswith(tuple(prefixes))}, odd)
        sampled = set(heapq.nsmallest(SAMPLE, sampled | set(theirs), key=rank))
        if not cursor:
            kinds = {kind: len(found) for kind, found in odd.items() if found}
            return KeyCounts(total=total, by_prefix=counts, sample=_sample(redis, sampled), kinds=kinds)


def _sort_out(redis: Redis, cursor: int, keys: set[str], odd: dict[str, set[str]]) -> None:
    """Add those of a page's keys that hold no plain strings to their kind; the server sorts them out by itself.

    One more look at the page tells who does; the other kinds are asked for only where somebody does not.
    """
    left = keys - _page(redis, cursor, "string") if keys else keys
    for kind, found in odd.items():
        if not left:
            return
        these = left & _page(redis, cursor, kind)
        found.update(these)
        left -= these


def _page(redis: Redis, cursor: int, kind: str) -> set[str]:
    _, keys = redis.scan(cursor, count=_PAGE, _type=kind)
    return set(cast("list[str]", keys))


def _sample(redis: Redis, keys: set[str]) -> dict[str, str]:
    """What tells the values of these keys; keys that expire and values that are no text are left out."""
    with redis.pipeline(transaction=False) as pipe:
        for key in sorted(keys):
            pipe.ttl(key)
            pipe.type(key)
            pipe.getrange(key, 0, SAMPLED_BYTES - 1)
        told = pipe.execute(raise_on_error=False)
    found = {}
    for key, ttl, kind, value in zip(sorted(keys), told[::3], told[1::3], told[2::3], strict=True):
        text = value if isinstance(value, str) else ""  # another kind refuses GETRANGE
        if ttl == -1 and isinstance(kind, str) and text.isascii():
            found[str(rank(key))] = value_mark(kind, text)
    return found


@contextlib.contextmanager
def connection(environment: Environment, *, timeout_seconds: float | None = None) -> Iterator[Redis]:
    """A connection to the stack's Redis, closed afterwards.

    Raises:
        StepFailed: the password cannot be read.
    """
    redis = environment.docker_stack.redis.client(environment.account, timeout_seconds=timeout_seconds)
    try:
        yield redis
    finally:
        redis.close()
