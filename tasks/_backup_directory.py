"""Backups in a folder: each a folder of its own, written beside the others under a dot and then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from rules.backups import MANIFEST, BackupManifest, backup_id
from rules.errors import RecoveryRefused, StepFailed
from tasks._backup_files import written
from tasks._whole_files import sync

_STAGE, _LOCK = ".tmp-", ".lock"


class DirectoryStore:
    """A folder of backups."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder beside the backups, for one of them. The lock in it goes with this process, however it ends."""
        with contextlib.ExitStack() as held:
            with written("begin a backup", self.root):
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                with (self.root / _LOCK).open("w") as beginning:
                    fcntl.flock(beginning, fcntl.LOCK_EX)
                    self._sweep()
                    folder = Path(tempfile.mkdtemp(prefix=_STAGE, dir=self.root))
                    held.callback(shutil.rmtree, folder, ignore_errors=True)
                    fcntl.flock(held.enter_context((folder / _LOCK).open("w")), fcntl.LOCK_EX)
            yield folder

    def publish(self, folder: Path, manifest: BackupManifest) -> None:
        """Everything reaches the disk before the folder gets its name: then it is whole, or not there."""
        target = self.root / manifest.id
        with written(f"finish the backup {manifest.id}", self.root):
            (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
            for file in {*folder.iterdir()} - {folder / _LOCK}:
                file.chmod(0o400)
                sync(file)
            sync(folder)
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise StepFailed(f"There is a backup {manifest.id} already.") from error
                raise
            (target / _LOCK).unlink(missing_ok=True)  # not before: without it a dead one's folder would stay
            sync(self.root)

    def ids(self) -> list[str]:
        """The names of all whole backups, newest first."""
        if not self.root.is_dir():
            return []
        names = [entry.name for entry in os.scandir(self.root) if entry.name[:1].isdigit()]
        return sorted((name for name in names if (self.root / name / MANIFEST).is_file()), reverse=True)

    def manifest(self, backup: str) -> BackupManifest:
        """A backup's manifest."""
        file = self.root / backup_id(backup) / MANIFEST
        try:
            found = BackupManifest.model_validate_json(file.read_bytes())
        except FileNotFoundError as error:
            raise RecoveryRefused(
                f"There is no backup {backup} in {self.root}.", hint="`backstop backup --list` shows them."
            ) from error
        except (OSError, ValidationError) as error:
            raise RecoveryRefused(f"The manifest of the backup {backup} cannot be read.") from error
        if found.id != backup:
            raise RecoveryRefused(f"The manifest of the backup {backup} is that of {found.id}.")
        return found

    def fetch(self, backup: str, name: str, target: Path) -> None:
        """Copy, never link: what is restored is written to."""
        file = self.manifest(backup).file(name)
        source = self.root / backup / file.name
        if source.is_symlink() or not source.is_file():
            raise RecoveryRefused(f"The backup {backup} has no file {name}.")
        with written(f"copy {name} of the backup {backup}", target.parent):
            shutil.copyfile(source, target)

    def _sweep(self) -> None:
        """Remove what was left half written by processes that are dead: nobody holds its lock."""
        for folder in self.root.glob(f"{_STAGE}*"):
            try:
                with (folder / _LOCK).open("r+") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:  # it died before it had a lock: that is made while ours is held
                shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                continue  # in use
