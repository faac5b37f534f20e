"""Drill fault: most of what a stack's Redis holds is not found any more, as after a script that deleted too much.

The keys are renamed, not deleted: the service misses them, and nothing is lost. No value is ever read.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, cast

from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.drills import FaultName
from rules.errors import RecoveryRefused
from tasks.drill_faults.kind import DrillFault, Note, Wish
from tasks.redis_data import OWN_PREFIX, connection, count_keys

if TYPE_CHECKING:
    from redis import Redis

_AWAY = "away"
_PAGE = 500
_KEPT_OF = 5
"""One key of so many stays: a loss is no longer a loss once everything is gone, it is an empty service."""
_SLOW_SECONDS = 30.0


def prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    """Under which prefix the keys will be.

    Permissions: none of AWS
    """
    if not environment.docker_stack.redis.key_prefixes:
        raise RecoveryRefused(
            "It is not known which keys are the service's.", hint="Name `redis.key_prefixes` in its file."
        )
    if not count_keys(environment).total:
        raise RecoveryRefused("Redis holds nothing that could be lost.", hint="Drill where there is data.")
    return {_AWAY: f"{OWN_PREFIX}drill:{wish.drill}:"}


def inject(environment: Environment, note: Note) -> None:
    """Rename most of the keys of each prefix."""
    with connection(environment, timeout_seconds=_SLOW_SECONDS) as redis, translated("rename keys"):
        for prefix in environment.docker_stack.redis.key_prefixes:
            for keys in _pages(redis, prefix):
                lost = [key for number, key in enumerate(sorted(keys)) if number % _KEPT_OF]
                _rename(redis, {key: f"{note[_AWAY]}{key}" for key in lost})


def undo(environment: Environment, note: Note) -> str:
    """Give the keys their names back; where one is there again, the copy goes."""
    left = 0
    with (
        connection(environment, timeout_seconds=_SLOW_SECONDS) as redis,
        translated("give keys their names back"),
    ):
        for keys in _pages(redis, note[_AWAY]):
            left += len(keys)
            there = _rename(redis, {key: key.removeprefix(note[_AWAY]) for key in keys})
            if there:
                redis.unlink(*there)
    return f"{left} keys were still away" if left else ""


def _pages(redis: Redis, prefix: str) -> Iterator[list[str]]:
    """Every key with this prefix, some hundreds at a time."""
    found = cast("Iterator[str]", redis.scan_iter(f"{_plain(prefix)}*", count=_PAGE))
    while keys := list(islice(found, _PAGE)):
        yield keys


def _rename(redis: Redis, names: dict[str, str]) -> list[str]:
    """Rename each key, if there is none of the new name; the keys where there was. One that is gone is left."""
    with redis.pipeline(transaction=False) as pipe:
        for key, name in names.items():
            pipe.renamenx(key, name)
        done = pipe.execute(raise_on_error=False)
    return [key for key, moved in zip(names, done, strict=True) if moved is False or moved == 0]


def _plain(prefix: str) -> str:
    """A prefix as a pattern that means nothing else."""
    return "".join(f"\\{each}" if each in r"\*?[]^-" else each for each in prefix)


CORRUPTED_REDIS = DrillFault(FaultName.CORRUPTED_REDIS, prepare, inject, undo)
