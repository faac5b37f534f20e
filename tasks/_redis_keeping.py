"""Keeping what Redis has, before a backup is put in its place."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from blocks.environment import Environment
from ledger.cases import now
from rules.errors import StepFailed, TransientFailure
from rules.redis_restores import KeptData, Mark, kept_folder
from tasks._backup_files import written
from tasks._redis_folder import RedisFolder
from tasks._redis_saves import SaveRefused, save
from tasks._redis_starts import runs, stop
from tasks.kinds import say
from tasks.redis_data import connection, look_at_redis
from tasks.redis_dumps import streamed


def stop_and_keep(
    environment: Environment,
    container: dict[str, Any],
    place: RedisFolder,
    mark: Mark,
    scratch: Path,
    *,
    first: bool,
) -> str:
    """Stop Redis and keep what it has, unless a run before this one did just that; the folder's name.

    `first`: this incident has kept nothing yet.
    """
    number = 1
    last: KeptData | None = None
    while not first and (found := place.kept(kept_folder(mark.incident, number))):
        last, number = found, number + 1
    not_put = last is not None and last.backup == mark.backup and place.restored() != mark
    if not_put and not runs(container):
        return kept_folder(mark.incident, number - 1)  # a run died right after it: it has not run since
    folder = kept_folder(mark.incident, number)
    note = _note(mark)
    try:
        memory = _memory(environment, container, place, f"{folder}-on-disk", note, scratch)
    except StepFailed:
        with contextlib.suppress(StepFailed):
            place.clear()
        raise
    stop(place.client, place.container)
    place.keep(folder, note, memory=memory)
    return folder


def replace_at_rest(place: RedisFolder, mark: Mark, data: Path) -> str:
    """Keep what a Redis that does not run has on the disk, and put a backup's data in its place; the folder's name.

    Raises:
        StepFailed: there is no room for it, or it lists what is not there; `stop_and_keep` knows what to do.
    """
    folder = kept_folder(mark.incident, 1)
    place.replace(data, folder, _note(mark), mark)
    return folder


def _note(mark: Mark) -> KeptData:
    return KeptData(incident=mark.incident, backup=mark.backup, kept_at=now(), files=())


def _memory(
    environment: Environment,
    container: dict[str, Any],
    place: RedisFolder,
    folder: str,
    note: KeptData,
    scratch: Path,
) -> Path | None:
    """See that what only Redis's memory holds is kept too: it saves, or streams it into a file that is returned."""
    look = look_at_redis.fn(environment)
    if not look.answers or look.loading or (look.append_only and look.last_append_ok):
        return None  # its files have everything, or nothing more can be had
    place.keep(folder, note)  # it saves over that
    try:
        with connection(environment, timeout_seconds=30) as redis:
            save(redis)
    except SaveRefused as refused:
        say(f"Redis cannot save, so its data is streamed: {refused.message}")
        target = scratch / "memory.rdb"
        with written("keep Redis's data", scratch), target.open("wb") as out:
            streamed(environment, environment.docker_stack.host.client(), container, out)
        place.reserve(target.stat().st_size)
        return target
    except TransientFailure as silent:
        say(f"What only its memory held could not be saved: {silent.message}")
    place.reserve(0)  # again: it was given back when that was kept
    return None
