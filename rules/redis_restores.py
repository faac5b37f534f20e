"""What has to lie in Redis's folder so that it starts with a backup's data, and whether it did.

With an append-only file Redis believes that one and ignores the data file, and makes an empty one when it is gone. So
the backup is made its base. Runbook source: 004, scenario 2 and «Data Recovery», whose commands lose the data.
"""

from __future__ import annotations

import re
from datetime import datetime

from rules.backups import BackupManifest
from rules.outcomes import Check, Verdict
from rules.redis_settings import RedisSettings
from rules.stack_restore_points import is_loss
from rules.values import Frozen

MARK = "backstop-restored.json"
"""Says in Redis's folder what was put there last; written after everything else."""
INCOMING = "backstop-incoming.rdb"
"""A backup's data on its way; empty as soon as it is in its place."""
RESERVED = "backstop-reserved"
"""Holds room on Redis's disk before Redis is stopped; empty as soon as that is used."""
ROOM = 256 << 10
"""Bytes, for folders, notes, and what Redis itself writes when it starts."""
RESTORED = "restored data"
"""What the check of it is called."""
COMPLETE = "complete.json"
"""Says in a kept folder that all of the old data is in it; written last."""

_LISTED = re.compile(
    r'^file (?:"(?P<quoted>(?:[^"\\]|\\.)+)"|(?P<plain>\S+)) seq (?P<number>\d+) type [bhi]$'
)


class Mark(Frozen):
    """Which incident put which backup there."""

    incident: str
    backup: str


class KeptData(Frozen):
    """The data as it was before a restore, kept in a folder beside it."""

    incident: str
    backup: str
    """What was restored over it."""
    kept_at: datetime
    files: tuple[str, ...]
    """Their paths in Redis's folder."""
    memory: bool = False
    """Whether what only its memory held is there too, as `memory.rdb`."""


class AppendFiles(Frozen):
    """The files of an append-only file that has several."""

    names: tuple[str, ...]
    next_number: int
    """A number that none of them has: Redis cuts a file short when it begins one of that name."""


class Loaded(Frozen):
    """What Redis says of the data it started with."""

    read: int | None = None
    """Keys it read, those that had expired since the backup among them; None: it does not tell."""
    held: int
    """Keys it holds now."""
    canary: str
    """The backup's canary, as Redis has it."""


def kept_folder(incident: str, number: int) -> str:
    """The name of the folder that keeps the old data: an incident's id says when it was."""
    return f"backstop-kept-{incident}-{number}"


def has_several_append_files(version: str) -> bool:
    """Whether this version keeps its append-only file as several, in a folder of their own."""
    major = version.partition(".")[0]
    return not major.isdigit() or int(major) >= 7


def append_files(manifest: str) -> AppendFiles | None:
    """What the manifest of an append-only file lists; None when it cannot be read."""
    names, numbers = [], [0]
    for line in filter(None, (line.strip() for line in manifest.splitlines())):
        if line.startswith("#"):
            continue
        found = _LISTED.match(line)
        if found is None:
            return None
        names.append(found["plain"] or re.sub(r"\\(.)", r"\1", found["quoted"]))
        numbers.append(int(found["number"]))
    return AppendFiles(names=tuple(names), next_number=max(numbers) + 1)


def append_manifest(settings: RedisSettings, number: int) -> str:
    """The manifest of an append-only file that begins with the backup, and is empty after it."""
    return "".join(
        f'file "{name}" seq {number} type {kind}\n'
        for name, kind in zip(append_names(settings, number), "bi", strict=True)
    )


def append_names(settings: RedisSettings, number: int) -> tuple[str, str]:
    """The names of its base and of what is appended."""
    return f"{settings.append_file}.{number}.base.rdb", f"{settings.append_file}.{number}.incr.aof"


def same_place(one: RedisSettings, other: RedisSettings) -> bool:
    """Whether two Redis believe the same file when they start."""
    return _place(one) == _place(other)


def _place(settings: RedisSettings) -> tuple[str, ...]:
    appended = (settings.append_directory, settings.append_file) if settings.append_only else ()
    return (settings.data_path, *appended)


def judge_loaded(manifest: BackupManifest, loaded: Loaded) -> Check:
    """Whether Redis started with exactly this backup's data."""
    facts = manifest.data
    exact = facts.counted_in == "file" and loaded.read is not None
    read = loaded.held if loaded.read is None else loaded.read
    wanted = f"{facts.key_count} keys and the canary of {manifest.id}"
    if facts.canary_key and loaded.canary != facts.canary_value:
        return _check(Verdict.FAIL, f"the backup's canary is not in it, of {read} keys", wanted, read)
    if exact and read != facts.key_count:
        return _check(Verdict.FAIL, f"it read {read} keys, the backup has {facts.key_count}", wanted, read)
    if not read and facts.key_count:
        return _check(Verdict.FAIL, "it started empty", wanted, read)
    if not exact and not facts.canary_key and read != facts.key_count:
        told = f"it holds {read} keys; the server had {facts.key_count} about that time, and left no canary"
        return _check(Verdict.PASS, told, wanted, read)
    return _check(Verdict.PASS, f"it read {read} keys, as the backup has them", wanted, read)


def judge_held(manifest: BackupManifest, seen: Loaded) -> Check:
    """Whether Redis still holds the backup's canary, and no fewer keys than it had; others may have come since."""
    facts, wanted = manifest.data, f"{manifest.data.key_count} keys"
    if facts.canary_key and seen.canary != facts.canary_value:
        told = f"the canary of {manifest.id} is not among {seen.held} keys"
        return _check(Verdict.FAIL, told, wanted, seen.held)
    if is_loss(facts.key_count, seen.held):
        told = f"it holds {seen.held} keys, the backup has {facts.key_count}"
        return _check(Verdict.FAIL, told, wanted, seen.held)
    return _check(Verdict.PASS, f"it holds {seen.held} keys", wanted, seen.held)


def _check(verdict: Verdict, reason: str, wanted: str, read: int) -> Check:
    return Check(name=RESTORED, verdict=verdict, reason=reason, wanted=wanted, seen=f"{read} keys")
