"""What is inside a file: itself, or the members of an archive, down to archives in archives, within bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO, NamedTuple, cast

DEEPEST = 4
"""Archives in archives."""
MOST_MEMBERS = 20_000
MOST_BYTES = 8 << 30
"""That a file may unpack to, whatever its ratio."""
MOST_RATIO = 300
FREE_BYTES = 256 << 20
"""That any file may unpack to: small files compress well."""
SPOOLED = 32 << 20

_ZIP, _EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_PACKED: dict[bytes, tuple[str, Callable[[BinaryIO], IO[bytes]]]] = {
    b"\x1f\x8b": ("gz", lambda stream: cast("IO[bytes]", gzip.GzipFile(fileobj=stream))),
    b"BZh": ("bz2", bz2.BZ2File),
    b"\xfd7zXZ": ("xz", lzma.LZMAFile),
}
_CLOSED = {
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"Rar!": "a RAR archive",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PAR1": "a Parquet file",
}
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    gzip.BadGzipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What Python's archive readers raise for what they cannot read."""


class TooMuch(Exception):
    """An archive unpacks to more than is allowed."""


@dataclass(slots=True)
class Budget:
    """How much one file may still unpack to."""

    left: int
    members: int = MOST_MEMBERS

    @classmethod
    def of(cls, size: int) -> Budget:
        """The budget of a file of `size` bytes."""
        return cls(min(MOST_BYTES, max(FREE_BYTES, size * MOST_RATIO)))

    def take(self, size: int) -> None:
        """Count `size` unpacked bytes.

        Raises:
            TooMuch: the budget is used up.
        """
        self.left -= size
        if self.left < 0:
            raise TooMuch(
                "it unpacks to more than is allowed: a decompression bomb, or a case for a copy by hand"
            )


class Part(NamedTuple):
    """Plain bytes inside a file: `member` is empty for the file itself."""

    member: str
    stream: BinaryIO


Tell = Callable[[str, str], None]
"""Says of a member why it is not read."""


def parts(
    stream: BinaryIO, budget: Budget, tell: Tell, name: str, member: str = "", depth: int = 0
) -> Iterator[Part]:
    """The plain parts of what `stream` holds; each is to be read before the next is asked for."""
    head = _head(stream)
    closed = next((why for magic, why in _CLOSED.items() if head.startswith(magic)), None)
    packed = next((how for magic, how in _PACKED.items() if head.startswith(magic)), None)
    is_zip = head.startswith((_ZIP, _EMPTY_ZIP))
    if closed:
        tell(member, f"{closed}, which is not read")
    elif not (packed or is_zip):
        yield Part(member, stream)
    elif depth >= DEEPEST:
        tell(member, f"more than {DEEPEST} archives inside each other")
    else:
        try:
            if packed:
                inner = unpacked(stream, budget)
                inside = unpacked_name(name, packed[0])
                yield from parts(inner, budget, tell, inside, _joined(member, inside), depth + 1)
            else:
                yield from _zipped(stream, budget, tell, member, depth)
        except BROKEN as error:
            tell(member, f"a broken archive ({type(error).__name__})")


def _zipped(stream: BinaryIO, budget: Budget, tell: Tell, member: str, depth: int) -> Iterator[Part]:
    with seekable(stream) as whole, zipfile.ZipFile(whole) as archive:
        for info in archive.infolist():
            path = _joined(member, info.filename)
            budget.members -= 1
            if budget.members < 0:
                raise TooMuch(f"it has more than {MOST_MEMBERS} members")
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                tell(path, "encrypted")
                continue
            try:
                with archive.open(info) as inner:
                    yield from parts(bounded(inner, budget), budget, tell, info.filename, path, depth + 1)
            except BROKEN as error:
                tell(path, f"a broken member ({type(error).__name__})")


def seekable(stream: BinaryIO) -> IO[bytes]:
    """The stream, or a copy of it where the stream cannot go back (its bytes are within a budget already)."""
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO):
        return os.fdopen(stream.fileno(), "rb", closefd=False)
    copy = tempfile.SpooledTemporaryFile(max_size=SPOOLED)  # noqa: SIM115 - the caller closes it
    while chunk := stream.read(1 << 20):
        copy.write(chunk)
    copy.seek(0)
    return cast("IO[bytes]", copy)


def container_kind(stream: BinaryIO) -> str:
    """`zip`, `gz`, `bz2`, `xz`, or empty where the stream is plain."""
    head = _head(stream)
    if head.startswith((_ZIP, _EMPTY_ZIP)):
        return "zip"
    return next((how[0] for magic, how in _PACKED.items() if head.startswith(magic)), "")


def unpacked_name(name: str, kind: str) -> str:
    """What a compressed file is called unpacked: `run.jsonl.gz` is `run.jsonl`."""
    last = PurePosixPath(name).name
    return last.removesuffix(f".{kind}") if last.endswith(f".{kind}") else f"{last} unpacked"


def _joined(member: str, inside: str) -> str:
    return f"{member}!{inside}" if member else inside


def _head(stream: BinaryIO) -> bytes:
    return cast("io.BufferedReader", stream).peek(8)[:8]


def unpacked(stream: BinaryIO, budget: Budget) -> BinaryIO:
    """What a compressed stream holds, counted against the budget as it is read."""
    head = _head(stream)
    return bounded(next(how for magic, (_, how) in _PACKED.items() if head.startswith(magic))(stream), budget)


def bounded(stream: IO[bytes], budget: Budget) -> BinaryIO:
    """A stream whose bytes count against a budget as they are read."""
    return io.BufferedReader(_Bounded(stream, budget), 1 << 16)


class _Bounded(io.RawIOBase):
    """A stream whose bytes count against a budget."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # io's own type is wider
        chunk = self._stream.read(len(buffer))
        self._budget.take(len(chunk))
        buffer[: len(chunk)] = chunk
        return len(chunk)
