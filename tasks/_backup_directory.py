"""Backups in a folder: each a folder of its own, written beside the others under a dot and then renamed.

The trash is a folder in it as well, so that a rename puts a backup away, and back, all at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rules.backups import MANIFEST, BackupManifest, backup_id, is_backup_id
from rules.errors import RecoveryRefused, StepFailed
from tasks._backup_files import parsed, written
from tasks._whole_files import sync, whole_file

_STAGE, _LOCK = ".tmp-", ".lock"
_TRASH, _DELETED, _NOTES = ".trash", ".deleted", ".notes"


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
        """The names of all whole backups that are not in the trash, newest first."""
        return _whole(self.root)

    def trash(self) -> list[str]:
        """The names of all whole backups in the trash, newest first."""
        return _whole(self.root / _TRASH)

    def manifest(self, backup: str, *, in_trash: bool = False) -> BackupManifest:
        """A backup's manifest."""
        place = self.root / _TRASH if in_trash else self.root
        try:
            body = (place / backup_id(backup) / MANIFEST).read_bytes()
        except FileNotFoundError:
            body = None
        except OSError as error:
            raise RecoveryRefused(f"The manifest of the backup {backup} cannot be read.") from error
        return parsed(body, backup, str(place))

    def fetch(self, backup: str, name: str, target: Path) -> None:
        """Copy, never link: what is restored is written to."""
        file = self.manifest(backup).file(name)
        source = self.root / backup / file.name
        if source.is_symlink() or not source.is_file():
            raise RecoveryRefused(f"The backup {backup} has no file {name}.")
        with written(f"copy {name} of the backup {backup}", target.parent):
            shutil.copyfile(source, target)

    def put_away(self, backup: str) -> bool:
        """Rename it into the trash."""
        return self._move(backup, self.root, self.root / _TRASH)

    def take_back(self, backup: str) -> bool:
        """Rename it out of the trash."""
        return self._move(backup, self.root / _TRASH, self.root)

    def delete(self, backup: str) -> bool:
        """Rename it out of the trash first: what is half deleted can never be taken back."""
        if not self._move(backup, self.root / _TRASH, self.root / _DELETED):
            return False
        self._remove(backup)
        return True

    def finish_deletions(self) -> int:
        """Delete what a killed deletion left."""
        folder = self.root / _DELETED
        left = [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []
        for name in left:
            self._remove(name)
        return len(left)

    def note(self, backup: str, content: bytes) -> None:
        """A small file, written whole."""
        folder = self.root / _NOTES
        with written(f"note something of the backup {backup}", folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(folder / backup_id(backup)) as file:
                file.write(content)

    def notes(self) -> dict[str, bytes]:
        """What was noted."""
        folder = self.root / _NOTES
        names = [entry.name for entry in os.scandir(folder)] if folder.is_dir() else []
        return {name: (folder / name).read_bytes() for name in names if is_backup_id(name)}

    def _move(self, backup: str, source: Path, target: Path) -> bool:
        with written(f"move the backup {backup}", self.root):
            target.mkdir(mode=0o700, exist_ok=True)
            try:
                (source / backup_id(backup)).rename(target / backup)
            except FileNotFoundError:
                return False
        return True

    def _remove(self, name: str) -> None:
        with written(f"delete the backup {name}", self.root):
            (self.root / _NOTES / name).unlink(missing_ok=True)  # first: nothing would lead to it afterwards
            shutil.rmtree(self.root / _DELETED / name, onerror=_is_gone)

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


def _whole(place: Path) -> list[str]:
    if not place.is_dir():
        return []
    names = [entry.name for entry in os.scandir(place) if is_backup_id(entry.name)]
    return sorted((name for name in names if (place / name / MANIFEST).is_file()), reverse=True)


def _is_gone(_function: object, _path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    """Somebody else deletes the same."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]
