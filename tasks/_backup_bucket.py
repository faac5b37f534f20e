"""Backups in a bucket that keeps versions: an object a file, the manifest last.

One in the trash has a mark elsewhere, an empty object: one request puts it away, or back, all at once. To delete is to
delete every version, the manifest's first: what has a mark and no manifest is half deleted.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from blocks.aws_account import AwsAccount
from blocks.aws_errors import NotThere, translated
from blocks.settings import settings
from rules.backups import MANIFEST, BackupManifest, backup_id, is_backup_id
from rules.errors import StepFailed
from tasks._backup_files import parsed, written
from tasks._bucket_objects import KILLED, Objects
from tasks.kinds import in_parallel

_TRASH, _NOTES = "trash", "notes"


class BucketStore:
    """A part of a bucket."""

    def __init__(self, account: AwsAccount, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self._objects = Objects(account, bucket)

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder on this host, for one backup."""
        home = settings().home / "staging"
        with written("begin a backup", home):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix="backup-", dir=home)
        with folder as path:
            yield Path(path)

    def publish(self, folder: Path, manifest: BackupManifest) -> None:
        """S3 checks every object against its hash; a backup is there once its manifest is."""
        with translated(f"store the backup {manifest.id}"):
            if self._objects.exists(self._key(manifest.id, MANIFEST)):
                raise StepFailed(f"There is a backup {manifest.id} already.")
            for file in manifest.files:
                self._objects.upload(self._key(manifest.id, file.name), folder / file.name, file.sha256)
            self._objects.s3.put_object(
                Bucket=self.bucket,
                Key=self._key(manifest.id, MANIFEST),
                Body=manifest.model_dump_json(indent=1).encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )

    def ids(self) -> list[str]:
        """The names of all whole backups that are not in the trash, newest first."""
        whole, marked = self._listed()
        return sorted(whole - marked, reverse=True)

    def trash(self) -> list[str]:
        """The names of all whole backups in the trash, newest first."""
        whole, marked = self._listed()
        return sorted(whole & marked, reverse=True)

    def manifest(self, backup: str, *, in_trash: bool = False) -> BackupManifest:
        """A backup's manifest."""
        body, key = None, self._key(backup_id(backup), MANIFEST)
        if self._is_marked(backup) is in_trash:
            with contextlib.suppress(NotThere):
                body = self._objects.get(key)
        return parsed(body, backup, f"the trash of {self.bucket}" if in_trash else self.bucket)

    def fetch(self, backup: str, name: str, target: Path) -> None:
        """Copy an object into a file."""
        key = self._key(backup_id(backup), self.manifest(backup).file(name).name)
        with translated(f"read {name} of the backup {backup}"), written(f"copy {name}", target.parent):
            self._objects.s3.download_file(self.bucket, key, str(target))

    def put_away(self, backup: str) -> bool:
        """Mark it."""
        if not self._objects.exists(self._key(backup_id(backup), MANIFEST)) or self._is_marked(backup):
            return False
        self._objects.put(self._key(_TRASH, backup), b"")
        return True

    def take_back(self, backup: str) -> bool:
        """Take its mark away."""
        if not self._objects.exists(self._key(backup_id(backup), MANIFEST)) or not self._is_marked(backup):
            return False
        self._objects.erase(self._key(_TRASH, backup))
        return True

    def delete(self, backup: str) -> bool:
        """The manifest first, the mark last: what is half deleted can never be taken back."""
        if not self._is_marked(backup_id(backup)):
            return False
        for prefix in (self._key(backup, MANIFEST), self._key(backup, "")):
            self._objects.erase(prefix)
        self._objects.erase(self._key(_NOTES, backup))
        self._objects.erase(self._key(_TRASH, backup))
        return True

    def finish_deletions(self) -> int:
        """Delete what has a mark and no manifest, and what killed backups left: parts of uploads, files alone."""
        self._objects.end_uploads(f"{self.prefix}/")
        whole, marked = self._listed()
        half = self._half_written(whole | marked)
        for backup in half:
            self._objects.erase(self._key(backup, ""))
        return len(half) + sum(self.delete(backup) for backup in marked - whole)

    def _half_written(self, others: set[str]) -> list[str]:
        """Backups that never had a manifest, and that nobody writes any more.

        One whose manifest somebody deleted has a version of it: it can be brought back, and is left alone.
        """
        ages: dict[str, timedelta] = {}
        for key, age in self._objects.ages(f"{self.prefix}/"):
            backup = key.split("/")[-2]
            if is_backup_id(backup) and backup not in others:
                ages[backup] = min(age, ages.get(backup, age))
        return [
            backup
            for backup, age in ages.items()
            if age > KILLED and not self._objects.was_there(self._key(backup, MANIFEST))
        ]

    def note(self, backup: str, content: bytes) -> None:
        """A small object."""
        self._objects.put(self._key(_NOTES, backup_id(backup)), content)

    def notes(self) -> dict[str, bytes]:
        """What was noted."""
        names = {key.rpartition("/")[2]: key for key in self._objects.keys(self._key(_NOTES, ""))}
        wanted = [name for name in names if is_backup_id(name)]
        found = in_parallel([partial(self._objects.get, names[name]) for name in wanted])
        return dict(zip(wanted, found, strict=True))

    def _listed(self) -> tuple[set[str], set[str]]:
        """The backups that have a manifest, and those with a mark."""
        whole, marked = set(), set()
        for key in self._objects.keys(f"{self.prefix}/"):
            *_, folder, name = key.split("/")
            if folder == _TRASH and is_backup_id(name):
                marked.add(name)
            elif name == MANIFEST and is_backup_id(folder):
                whole.add(folder)
        return whole, marked

    def _is_marked(self, backup: str) -> bool:
        return self._objects.exists(self._key(_TRASH, backup))

    def _key(self, backup: str, name: str) -> str:
        return f"{self.prefix}/{backup}/{name}"
