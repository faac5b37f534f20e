"""A folder as one sealed file: a tar."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from rules.errors import StepFailed
from tasks._scan_files import files_of
from tasks._seals import PIECE, Seal

_NAME = "evidence"


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every regular file of a folder, by its relative name; links by where they lead."""
    found: dict[str, str] = {}
    for name, stream in files_of(folder, lambda _name, _reason: None):
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
        found[name] = digest.hexdigest()
    for where, folders, names in os.walk(folder):
        for each in (*folders, *names):
            path = Path(where) / each
            if path.is_symlink():
                found[str(path.relative_to(folder))] = f"a link to {path.readlink()}"
    return found


def pack(folder: Path, out: IO[bytes], seal: Seal, run_id: str) -> dict[str, str]:
    """Write a folder, encrypted; what was written, by name.

    The hashes are of the bytes that went into the file, not of what is on the disk afterwards.
    """
    written: dict[str, str] = {}
    sealed = seal.closing(out, run_id, _NAME)
    with tarfile.open(fileobj=cast("IO[bytes]", sealed), mode="w|", bufsize=PIECE) as archive:
        for name, stream in files_of(folder, lambda _name, _reason: None):
            seen = os.fstat(stream.fileno())
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = seen.st_size, int(seen.st_mtime), stat.S_IMODE(seen.st_mode)
            hashed = _Hashed(stream)
            archive.addfile(info, cast("IO[bytes]", hashed))
            written[name] = hashed.digest.hexdigest()
        for where, folders, names in os.walk(folder):
            for path in (Path(where) / each for each in (*folders, *names)):
                if path.is_symlink():
                    name = str(path.relative_to(folder))
                    info = tarfile.TarInfo(name)
                    info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
                    archive.addfile(info)
                    written[name] = f"a link to {path.readlink()}"
    sealed.finish()
    return written


@contextmanager
def unsealed(source: IO[bytes], seal: Seal, run_id: str) -> Iterator[tarfile.TarFile]:
    """A sealed folder, to be read once from its beginning to its end.

    Raises:
        StepFailed: the key is another, or the file is cut or changed.
    """
    plain = seal.opening(source, run_id, _NAME)
    try:
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            yield archive
    except tarfile.TarError as error:
        raise StepFailed(f"The evidence cannot be read: {type(error).__name__}.") from error
    while plain.read(PIECE):
        """To the end mark: a cut file is no evidence."""


def sealed_contents(source: IO[bytes], seal: Seal, run_id: str) -> dict[str, str]:
    """What `contents` said of the folder that was sealed."""
    found: dict[str, str] = {}
    with unsealed(source, seal, run_id) as archive:
        for info in archive:
            inside = archive.extractfile(info) if info.isreg() else None
            if inside is None:
                found[info.name] = f"a link to {info.linkname}"
                continue
            digest = hashlib.sha256()
            while chunk := inside.read(1 << 20):
                digest.update(chunk)
            found[info.name] = digest.hexdigest()
    return found


class _Hashed:
    """A file that notes the hash of what is read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.digest.update(chunk)
        return chunk
