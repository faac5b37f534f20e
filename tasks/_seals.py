"""Sealing what is kept: backups, evidence, copies of messages. One format for all of it, small or of any size.

A file's own key comes from the store's key, a random salt and the file's place (HKDF-SHA256): what is sealed opens in
its place only. Its content is cut into pieces of 1 MiB, each under AES-256-GCM with its number as the nonce and a mark
on the last one: pieces that were changed, left out, put in another order or cut off give nothing out. This is the
STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015), as the file format `age` uses it.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rules.errors import BackstopError, RecoveryRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEAD = b"BACKSTOP-SEAL-2\n"
KEY_BYTES, _SALT_BYTES, _TAG_BYTES = 32, 16, 16
PIECE = 1 << 20
"""Plain bytes of a piece."""


class Sink(Protocol):
    """Something that bytes are written to."""

    def write(self, data: bytes, /) -> int:
        """Take all of it; its length."""


class Source(Protocol):
    """Something that bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many; none at the end only."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A key, or the explicit wish to have none. `broken` is the error for what cannot be opened."""

    _key: bytes | None = field(repr=False)
    broken: type[BackstopError] = RecoveryRefused

    @property
    def fingerprint(self) -> str:
        """Tells keys apart without telling the key; empty: nothing is sealed."""
        return hashlib.sha256(b"backstop-seal" + self._key).hexdigest()[:16] if self._key else ""

    def close(self, content: bytes, of: str, name: str) -> bytes:
        """A small content as it is kept; it opens only as `name` of `of`."""
        out = io.BytesIO()
        closing = self.closing(out, of, name)
        closing.write(content)
        closing.finish()
        return out.getvalue()

    def open(self, kept: bytes, of: str, name: str) -> bytes:
        """A small content that was kept; raises `broken`, and gives nothing out, where `opening` would."""
        return self.opening(io.BytesIO(kept), of, name).read()

    def closing(self, out: Sink, of: str, name: str) -> Closing:
        """Write a content of any size; it is whole only after `finish`."""
        if self._key is None:
            return Closing(out, None)
        salt = os.urandom(_SALT_BYTES)
        out.write(HEAD + salt)
        return Closing(out, self._cipher(salt, of, name))

    def opening(self, source: Source, of: str, name: str) -> io.BufferedReader:
        """Read a content of any size. It is whole only when its end was reached without an error.

        Raises (here or while reading):
            broken: it is sealed and there is no key, or not sealed and there is one; another key, file or place; cut.
        """
        told, head = f"{name} of {of}", _taken(source, len(HEAD))
        if head != HEAD:
            if self._key is not None:
                raise self.broken(
                    f"{told} is not sealed, and there is a key: anybody may have written it.",
                    hint="To use it all the same, take the key away and allow `plain` for as long as that takes.",
                )
            return io.BufferedReader(_Rest(head, source), PIECE)
        if self._key is None:
            raise self.broken(f"{told} is sealed.", hint="Give the store the key it was sealed with: `seal`.")
        broken = self.broken(
            f"{told} cannot be opened: another key, or it was changed.",
            hint="Give back the key that it was sealed with; a backup's manifest has its fingerprint.",
        )
        cipher = self._cipher(_taken(source, _SALT_BYTES), of, name)
        return io.BufferedReader(_Opened(source, cipher, broken), PIECE)

    def _cipher(self, salt: bytes, of: str, name: str) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        place = HEAD + f"{of}/{name}".encode()
        return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, place).derive(self._key or b""))


class Closing:
    """Takes plain bytes, writes sealed pieces."""

    def __init__(self, out: Sink, cipher: AESGCM | None) -> None:
        self._out, self._cipher, self._number, self._held = out, cipher, 0, bytearray()

    def write(self, data: bytes) -> int:
        """Take some; a piece is held back until it is known whether it is the last."""
        if self._cipher is None:
            return self._out.write(data)
        self._held += data
        while len(self._held) > PIECE:
            self._piece(self._cipher, bytes(self._held[:PIECE]), last=False)
            del self._held[:PIECE]
        return len(data)

    def finish(self) -> None:
        """Write the last piece, with its mark."""
        if self._cipher is not None:
            self._piece(self._cipher, bytes(self._held), last=True)

    def _piece(self, cipher: AESGCM, data: bytes, *, last: bool) -> None:
        self._out.write(cipher.encrypt(_nonce(self._number, last=last), data, None))
        self._number += 1


class _Opened(io.RawIOBase):
    """The plain bytes of sealed pieces."""

    def __init__(self, source: Source, cipher: AESGCM, broken: BackstopError) -> None:
        self._source, self._cipher, self._broken = source, cipher, broken
        self._number, self._left, self._ended = 0, memoryview(b""), False
        self._ahead = _taken(source, PIECE + _TAG_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # io's own type is wider
        if not self._left and not self._ended:
            self._next()
        taken = min(len(self._left), len(buffer))
        buffer[:taken], self._left = self._left[:taken], self._left[taken:]
        return taken

    def _next(self) -> None:
        from cryptography.exceptions import InvalidTag

        piece, self._ahead = self._ahead, _taken(self._source, PIECE + _TAG_BYTES)
        self._ended = not self._ahead
        try:
            plain = self._cipher.decrypt(_nonce(self._number, last=self._ended), piece, None)
        except (InvalidTag, ValueError) as error:
            raise self._broken from error
        self._left, self._number = memoryview(plain), self._number + 1


class _Rest(io.RawIOBase):
    """A source of which the first bytes were looked at."""

    def __init__(self, head: bytes, source: Source) -> None:
        self._head, self._source = head, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # io's own type is wider
        data = self._head[: len(buffer)] or self._source.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _taken(source: Source, size: int) -> bytes:
    """All that is wanted, also from a source that gives less at a time."""
    found = bytearray()
    while len(found) < size and (more := source.read(size - len(found))):
        found += more
    return bytes(found)
