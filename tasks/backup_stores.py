"""Where backups lie: a folder or a bucket, behind the same few words. What is half written is never to be seen."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from blocks.environment import Environment
from rules.backups import BackupManifest
from tasks._backup_bucket import BucketStore
from tasks._backup_directory import DirectoryStore


class Store(Protocol):
    """A place for the backups of one environment."""

    def stage(self) -> AbstractContextManager[Path]:
        """A folder to write a backup's files into; it is gone afterwards, unless the backup was published."""

    def publish(self, folder: Path, manifest: BackupManifest) -> None:
        """Make a written backup one that counts, all at once: its files first, its manifest last.

        Raises:
            StepFailed: the store is full, or has a backup of that name.
        """

    def ids(self) -> list[str]:
        """The names of all whole backups that are not in the trash, newest first."""

    def manifest(self, backup: str, *, in_trash: bool = False) -> BackupManifest:
        """A backup's manifest.

        Raises:
            RecoveryRefused: there is no such backup there, or its manifest cannot be read.
        """

    def fetch(self, backup: str, name: str, target: Path) -> None:
        """Copy a file of a backup out; its bytes are as the store has them."""

    def trash(self) -> list[str]:
        """The names of all whole backups in the trash, newest first."""

    def put_away(self, backup: str) -> bool:
        """Put a backup into the trash, all at once: nothing lists or reads it there. False: it is not there."""

    def take_back(self, backup: str) -> bool:
        """Take a backup out of the trash, all at once, as it was. False: it is not in the trash."""

    def delete(self, backup: str) -> bool:
        """Delete a backup that is in the trash, for good, and what was noted of it. False: it is not in the trash.

        Once it has begun, nothing lists the backup any more; killed half way, `finish_deletions` does the rest.
        """

    def finish_deletions(self) -> int:
        """Delete what is left of backups that were killed while they were deleted, or made; how many."""

    def note(self, backup: str, content: bytes) -> None:
        """Keep a few words about a backup beside it, in the place of earlier ones, all at once."""

    def notes(self) -> dict[str, bytes]:
        """What was noted, by the backup's name."""


def store_of(environment: Environment) -> Store:
    """The store of an environment's backups.

    Raises:
        RecoveryRefused: the bucket keeps no versions.
        StepFailed: it cannot be reached or written.
    """
    settings = environment.docker_stack.backups
    if settings.kind == "directory":
        return DirectoryStore(Path(settings.directory or "").expanduser() / environment.name)
    return BucketStore(
        environment.aws, settings.bucket or "", f"{settings.prefix.rstrip('/')}/{environment.name}"
    )
