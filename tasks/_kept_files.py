"""The files of a backup as they are written: sealed, hashed and counted on their way, in constant memory."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rules.backups import BackupFile
from tasks._backup_files import written
from tasks._seals import Seal


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one backup's files are written, and with which seal."""

    folder: Path
    seal: Seal
    backup: str

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Writing]:
        """Write a file; afterwards its `file` says what lies there."""
        with written(f"keep {name}", self.folder), (self.folder / name).open("wb") as file:
            writing = Writing(file, self, name)
            yield writing
            writing.finish()

    def put(self, name: str, content: bytes) -> BackupFile:
        """Write a small file."""
        with self.writing(name) as out:
            out.write(content)
        return out.file


class Writing:
    """One file on its way."""

    def __init__(self, file: IO[bytes], shelf: Shelf, name: str) -> None:
        self._file, self._name, self._sealed = file, name, bool(shelf.seal.fingerprint)
        self._digest, self._size = hashlib.sha256(), 0
        self._closing = shelf.seal.closing(_Counted(self), shelf.backup, name)
        self.plain_size = 0

    def write(self, data: bytes) -> int:
        """Some of its plain content."""
        self.plain_size += len(data)
        return self._closing.write(data)

    def take(self, data: bytes) -> int:
        """Some of what is kept."""
        self._digest.update(data)
        self._size += self._file.write(data)
        return len(data)

    def finish(self) -> None:
        """The last of it."""
        self._closing.finish()

    @property
    def file(self) -> BackupFile:
        """What lies in the store, for the manifest."""
        return BackupFile(
            name=self._name, size=self._size, sha256=self._digest.hexdigest(), sealed=self._sealed
        )


class _Counted:
    """What sealed bytes are written to."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def write(self, data: bytes, /) -> int:
        return self._writing.take(data)
