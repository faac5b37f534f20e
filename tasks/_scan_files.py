"""Scanning a folder: every regular file in it, nothing outside of it, links said and not followed."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from rules.errors import RecoveryRefused
from rules.findings import Finding, ScanReport, Unread
from tasks._scan_containers import BROKEN, Budget, TooMuch, parts
from tasks._scan_engine import Hits, fastest
from tasks._scan_stream import Found, scan_stream

MOST_FINDINGS = 10_000
"""That a report lists; the others are counted."""

Tell = Callable[[str, str], None]


def scan_folder(folder: Path, salt: bytes = b"", hits: Hits | None = None) -> ScanReport:
    """Scan a folder or one file. Without a salt the fingerprints are good for this scan alone.

    Raises:
        RecoveryRefused: it is not there, or is a link.
    """
    salt = salt or secrets.token_bytes(16)
    unread: list[Unread] = []
    listed: list[Finding] = []
    files = size = more = 0

    def tell(file: str, reason: str) -> None:
        unread.append(Unread(file=file, reason=reason))

    for name, stream in files_of(folder, tell):
        files += 1
        budget = Budget.of(os.fstat(stream.fileno()).st_size)
        before = budget.left
        for member, found in found_in(stream, name, tell, budget, hits):
            if len(listed) < MOST_FINDINGS:
                listed.append(_finding(name, member, found, salt))
            else:
                more += 1
        size += before - budget.left or os.fstat(stream.fileno()).st_size
    return ScanReport(files=files, size=size, findings=tuple(listed), more=more, unread=tuple(unread))


def found_in(
    stream: BinaryIO, name: str, tell: Tell, budget: Budget, hits: Hits | None = None
) -> Iterator[tuple[str, Found]]:
    """What is found in one open file and in the archives inside it, with the member it is in."""

    def inside(member: str, reason: str) -> None:
        tell(f"{name}!{member}" if member else name, reason)

    engine = hits or fastest()
    try:
        for part in parts(stream, budget, inside, name):
            try:
                for found in scan_stream(part.stream, engine):
                    yield part.member, found
            except BROKEN as error:
                inside(part.member, f"not to its end: {type(error).__name__}")
    except TooMuch as error:
        tell(name, f"not to its end: {error}")
    except OSError as error:
        tell(name, f"not to its end: {error.strerror or type(error).__name__}")


def files_of(folder: Path, tell: Tell) -> Iterator[tuple[str, BinaryIO]]:
    """The regular files of a folder, opened one after the other, with their names relative to it.

    Raises:
        RecoveryRefused: it is not there, or is a link.
    """
    try:
        mode = folder.lstat().st_mode
    except OSError as error:
        raise RecoveryRefused(
            f"There are no artifacts at {folder}: {error.strerror}.",
            hint="Check the path of the run's artifacts.",
        ) from None
    if stat.S_ISLNK(mode):
        raise RecoveryRefused(
            f"{folder} is a symbolic link.",
            hint="Give the folder that it leads to, if that is what you mean.",
        )
    if stat.S_ISREG(mode):
        yield from _opened(folder.name, folder.parent, os.open(folder.parent, os.O_RDONLY), tell)
        return

    def cannot(error: OSError) -> None:
        tell(os.path.relpath(error.filename or folder, folder), error.strerror or "cannot be read")

    for where, folders, names, descriptor in os.fwalk(folder, onerror=cannot, follow_symlinks=False):
        for each in [*folders]:
            if stat.S_ISLNK(os.stat(each, dir_fd=descriptor, follow_symlinks=False).st_mode):
                tell(os.path.relpath(Path(where) / each, folder), "a symbolic link, not followed")
        folders.sort()
        for each in sorted(names):
            yield from _opened(each, Path(os.path.relpath(where, folder)), descriptor, tell)


def _opened(name: str, where: Path, descriptor: int, tell: Tell) -> Iterator[tuple[str, BinaryIO]]:
    told = str(where / name) if not where.is_absolute() else name
    try:
        # O_NOFOLLOW: what was a file a moment ago may be a link now. O_NONBLOCK: a pipe must not hold us.
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        tell(told, "a symbolic link, not followed" if is_link else error.strerror or "cannot be opened")
        return
    with os.fdopen(opened, "rb") as stream:
        if stat.S_ISREG(os.fstat(opened).st_mode):
            yield told, stream
        else:
            tell(told, "no regular file")


def values_in(folder: Path, *kinds: str) -> Iterator[list[tuple[str, int, bytes]]]:
    """For what must act on the secrets themselves: kind, offset and value of these kinds, a list a file or member."""
    for name, stream in files_of(folder, _say_nothing):
        budget, places = (
            Budget.of(os.fstat(stream.fileno()).st_size),
            dict[str, list[tuple[str, int, bytes]]](),
        )
        for member, found in found_in(stream, name, _say_nothing, budget):
            if found.kind in kinds:
                places.setdefault(member, []).append((found.kind, found.offset, found.secret))
        yield from places.values()


def _say_nothing(_file: str, _reason: str) -> None:
    """The report of the scan has said it."""


def _finding(name: str, member: str, found: Found, salt: bytes) -> Finding:
    return Finding(
        file=name,
        member=member,
        offset=found.offset,
        length=len(found.secret),
        line=found.line,
        kind=found.kind,
        proof=found.proof,
        fingerprint=fingerprint(found.secret, salt),
    )


def fingerprint(secret: bytes, salt: bytes) -> str:
    """A name for a secret, which tells nothing about it without the salt."""
    return hashlib.blake2b(secret, key=salt[:64], digest_size=8).hexdigest()
