"""A backup of a Docker stack: what it is called, what belongs to it, and what its manifest promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rules.errors import RecoveryRefused
from rules.names import EnvironmentName
from rules.redis_settings import RedisSettings
from rules.values import Frozen

CONFIGURATION, STATE, MOUNTED, DATA = (
    "config.env",
    "services-state.json",
    "mounted-files.tar",
    "redis.rdb",
)
"""The files of a backup. All are sealed: they hold passwords, and what was masked in the data."""
MANIFEST = "manifest.json"
"""Written last: without it there is no backup."""

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z]{1,20}-[0-9a-f]{4}")
_NAMED = re.compile(rf"(?<![0-9A-Za-z-]){_ID.pattern}(?![0-9A-Za-z-])")

BackupId = Annotated[str, StringConstraints(pattern=rf"^{_ID.pattern}$")]
"""Begins with its moment (UTC), so that names sort by time: 20260729-143022-deploy-3fa2."""


class BackupKind(StrEnum):
    """Why a backup was made."""

    DEPLOY = "deploy"
    """Before a deployment."""
    SCHEDULED = "scheduled"
    """By the clock, for the recovery point objective."""
    MANUAL = "manual"
    ROLLBACK = "rollback"
    """The state before a recovery, so that it can itself be taken back."""


class BackupFile(Frozen):
    """One file of a backup, as it lies in the store."""

    name: str = Field(pattern=r"^[a-z][a-z0-9.-]{0,60}$")
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    sealed: bool = False


class DataFacts(Frozen):
    """What is known of the data in a backup; a restore is compared with it."""

    key_count: int
    counted_in: Literal["file", "server"]
    """`file`: exactly what the data file holds, ours too; `server`: what the server held about that time, but ours."""
    by_prefix: dict[str, int]
    """Counted in the server about that time: writers may have come between."""
    kinds: dict[str, int] | None = None
    """How many keys under the prefixes held no plain strings, by kind; None: it was not looked at."""
    sample: dict[str, str] = {}
    """Values of a few keys, as far as they tell one from another; a key is known by its rank."""
    canary_key: str = ""
    canary_value: str = ""
    """A field of ours in the data; empty: Redis refused it."""
    written_by: Literal["save", "replication", "nothing"]
    """How Redis gave its data out; nothing: it did not, and the backup has none."""


class BackupManifest(Frozen):
    """What a backup holds and promises."""

    format: Literal[1] = 1
    id: BackupId
    environment: EnvironmentName
    project: str
    engine_id: str
    kind: BackupKind
    reason: str = ""
    requested_by: str = ""
    critical: bool = False
    """Kept longer."""
    began_at: datetime
    finished_at: datetime
    files: tuple[BackupFile, ...]
    data: DataFacts
    redis: RedisSettings
    images: dict[str, str]
    """The id of each service's image."""
    seal: str = ""
    """Fingerprint of the key that opens what is sealed."""

    @property
    def has_data(self) -> bool:
        """Whether Redis's data is in it; a state before a recovery may be kept without."""
        return any(file.name == DATA for file in self.files)

    def file(self, name: str) -> BackupFile:
        """The file of that name; KeyError when the backup has none."""
        for file in self.files:
            if file.name == name:
                return file
        raise KeyError(name)


def is_of(kind: BackupKind, backup: str) -> bool:
    """Whether the backup of that name is of this kind."""
    return backup.split("-")[2:3] == [kind.value]


def new_id(kind: BackupKind, now: datetime, salt: str) -> str:
    """The name of a backup that is made now; `salt`: four hexadecimal digits that tell two of a second apart."""
    return f"{now:%Y%m%d-%H%M%S}-{kind.value}-{salt}"


def backup_id(text: str) -> str:
    """The backup's name, checked: it becomes part of a path and of a key.

    Raises:
        RecoveryRefused: it cannot be the name of a backup.
    """
    if not _ID.fullmatch(text):
        raise RecoveryRefused(
            f"{text[:90]!r} cannot be the name of a backup.",
            hint="A backup is called like 20260729-143022-deploy-3fa2.",
        )
    return text


def taken_at(backup: str) -> datetime:
    """The moment in a backup's name, in UTC; ValueError where it is none of a backup."""
    if not _ID.fullmatch(backup):
        raise ValueError(backup)
    day, time = backup[:8], backup[9:15]
    return datetime(
        int(day[:4]), int(day[4:6]), int(day[6:]), int(time[:2]), int(time[2:4]), int(time[4:]), tzinfo=UTC
    )


def is_backup_id(name: str) -> bool:
    """Whether a backup can be called so; other people's files may lie beside the backups."""
    try:
        taken_at(name)
    except ValueError:
        return False
    return True


def named_in(text: str) -> set[str]:
    """The backups that a text names."""
    return {found for found in _NAMED.findall(text) if is_backup_id(found)}
