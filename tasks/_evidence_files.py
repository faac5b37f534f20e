"""A folder as one encrypted file: a tar, cut into pieces that are each encrypted, numbered, and end with a mark."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from cryptography.fernet import Fernet, InvalidToken

from rules.errors import StepFailed
from tasks._scan_files import files_of

_PIECE = 4 << 20
_END = b"end"


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


def seal(folder: Path, out: IO[bytes], cipher: Fernet) -> dict[str, str]:
    """Write a folder, encrypted; what was written, by name.

    The hashes are of the bytes that went into the file, not of what is on the disk afterwards.
    """
    written: dict[str, str] = {}
    sealed = _Sealed(out, cipher)
    with tarfile.open(fileobj=cast("IO[bytes]", sealed), mode="w|", bufsize=_PIECE) as archive:
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
def unsealed(source: IO[bytes], cipher: Fernet) -> Iterator[tarfile.TarFile]:
    """A sealed folder, to be read once from its beginning to its end.

    Raises:
        StepFailed: the key is another, or the file is cut or changed.
    """
    plain = io.BufferedReader(_Opened(source, cipher), _PIECE)
    try:
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            yield archive
    except tarfile.TarError as error:
        raise StepFailed(f"The evidence cannot be read: {type(error).__name__}.") from error
    while plain.read(_PIECE):
        """To the end mark: a cut file is no evidence."""


def sealed_contents(source: IO[bytes], cipher: Fernet) -> dict[str, str]:
    """What `contents` said of the folder that was sealed."""
    found: dict[str, str] = {}
    with unsealed(source, cipher) as archive:
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


class _Sealed:
    """Takes plain bytes, writes a line of ciphertext for each piece."""

    def __init__(self, out: IO[bytes], cipher: Fernet) -> None:
        self._out, self._cipher, self._number, self._left = out, cipher, 0, b""

    def write(self, data: bytes) -> int:
        self._left += data
        while len(self._left) >= _PIECE:
            self._piece(self._left[:_PIECE])
            self._left = self._left[_PIECE:]
        return len(data)

    def finish(self) -> None:
        self._piece(self._left)
        self._out.write(self._cipher.encrypt(_END + self._number.to_bytes(8)) + b"\n")

    def _piece(self, data: bytes) -> None:
        self._out.write(self._cipher.encrypt(self._number.to_bytes(8) + data) + b"\n")
        self._number += 1


class _Opened(io.RawIOBase):
    """The plain bytes of a sealed file."""

    def __init__(self, source: IO[bytes], cipher: Fernet) -> None:
        self._source, self._cipher, self._number, self._left, self._ended = source, cipher, 0, b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # io's own type is wider
        while not self._left and not self._ended:
            self._next()
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _next(self) -> None:
        try:
            piece = self._cipher.decrypt(self._source.readline().rstrip(b"\n"))
        except InvalidToken:
            raise StepFailed(
                "The evidence is cut or changed, or its key is another.",
                hint="Give back the key that it was encrypted with.",
            ) from None
        if piece == _END + self._number.to_bytes(8):
            self._ended = True
        elif piece[:8] == self._number.to_bytes(8):
            self._left, self._number = piece[8:], self._number + 1
        else:
            raise StepFailed("The pieces of the evidence are not in their order.", hint="It was changed.")
