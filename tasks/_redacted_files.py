"""Writing files again without the secrets in them: beside the file, looked at once more, then in its place."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

from rules.errors import StepFailed, TransientFailure
from tasks._scan_containers import Budget, bounded, container_kind, seekable, unpacked
from tasks._scan_engine import fastest
from tasks._scan_files import found_in
from tasks._scan_stream import Found, scan_zones
from tasks._whole_files import sync

_PACKERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "gz": lambda out: cast("IO[bytes]", gzip.GzipFile(fileobj=out, mode="wb")),
    "bz2": partial(bz2.BZ2File, mode="wb"),
    "xz": partial(lzma.LZMAFile, mode="wb"),
}
_BINARY_HEAD = 8192
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
SUFFIX = ".backstop-redacted"


def redact_file(path: Path, to: Path | None = None) -> int:
    """Write a file without its secrets, in its place or `to` another. The number of secrets taken out.

    What is written is looked at again before it takes the file's place; the file is whole at every moment.

    Raises:
        TransientFailure: the file changed meanwhile; it was left as it is.
        StepFailed: it could not be written (a full disk), or holds what cannot be taken out; it was left as it is.
    """
    target = to or path
    beside = target.with_name(f".{target.name}{SUFFIX}")
    try:
        with _opened(path) as source:
            before = os.fstat(source.fileno())
            if before.st_nlink > 1 and to is None:
                raise StepFailed(
                    f"{path.name} has another hard link, which would keep what is in it; it was left as it is.",
                    hint="Find the other name (find -samefile), then redact or delete both.",
                )
            with os.fdopen(os.open(beside, _WRITE, 0o600), "wb") as out:
                count = _rewrite(source, out, Budget.of(before.st_size))
                out.flush()
                os.fchmod(out.fileno(), before.st_mode & 0o7777)
                os.fsync(out.fileno())
        left = secrets_in(beside, path.name)
        if left:
            raise StepFailed(
                f"{path.name} still holds {left} secrets after its redaction; it was left as it is.",
                hint="Delete it, or look at it by hand.",
            )
        now = path.lstat()
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
            raise TransientFailure(f"{path.name} changed while it was being redacted; it was left as it is.")
        beside.replace(target)
        sync(target.parent)
    except OSError as error:
        raise StepFailed(
            f"{path.name} could not be written again: {error.strerror}. It was left as it is.",
            hint="Free some space, or check who may write there.",
        ) from None
    finally:
        beside.unlink(missing_ok=True)
    return count


def secrets_in(path: Path, name: str) -> int:
    """How many secrets are found in a file that can be read to its end.

    Raises:
        StepFailed: it cannot be.
    """
    unread: list[str] = []
    with _opened(path) as stream:
        budget = Budget.of(os.fstat(stream.fileno()).st_size)
        count = sum(
            1 for _ in found_in(stream, name, lambda file, why: unread.append(f"{file}: {why}"), budget)
        )
    if unread:
        raise StepFailed(
            f"Not all of it can be read: {'; '.join(unread[:3])}.", hint="Delete it, or look by hand."
        )
    return count


def _rewrite(source: BinaryIO, out: IO[bytes], budget: Budget) -> int:
    """Write what `source` holds to `out`, archives opened and packed again, without its secrets."""
    kind = container_kind(source)
    if kind == "zip":
        return _rezip(source, out, budget)
    if kind:
        with _PACKERS[kind](out) as packed:
            return _rewrite(unpacked(source, budget), packed, budget)
    count = done = 0
    is_binary: bool | None = None
    for zone in scan_zones(source, fastest()):
        is_binary = b"\0" in zone.content[:_BINARY_HEAD] if is_binary is None else is_binary
        for found in zone.found:
            out.write(zone.content[max(0, done - zone.offset) : found.offset - zone.offset])
            out.write(_instead(found, is_binary))
            done = found.offset + len(found.secret)
        out.write(zone.content[max(0, done - zone.offset) :])
        count += len(zone.found)
    return count


def _instead(found: Found, is_binary: bool) -> bytes:
    """What takes a secret's place: lines keep their numbers, JSON can still be read, a binary keeps its length."""
    if is_binary:
        return b"*" * len(found.secret)
    told = f"[redacted:{found.kind}]"
    return (f'"{told}"' if found.is_bare else told).encode() + b"\n" * found.secret.count(b"\n")


def _rezip(source: BinaryIO, out: IO[bytes], budget: Budget) -> int:
    count = 0
    with seekable(source) as whole, zipfile.ZipFile(whole) as archive, zipfile.ZipFile(out, "w") as new:
        for info in archive.infolist():
            same = zipfile.ZipInfo(info.filename, info.date_time)
            same.compress_type, same.external_attr, same.comment = (
                info.compress_type,
                info.external_attr,
                info.comment,
            )
            if info.is_dir():
                new.writestr(same, b"")
                continue
            with archive.open(info) as inner, new.open(same, "w", force_zip64=True) as member:
                count += _rewrite(bounded(inner, budget), member, budget)
    return count


def _opened(path: Path) -> BinaryIO:
    """The file, and never what a link in its place leads to."""
    return cast("BinaryIO", os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"))
