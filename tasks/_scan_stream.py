"""Scanning one stream of bytes, block by block: its memory does not grow with the stream.

An engine says where a look is worth it; the look itself is `rules/secret_spans.py`, at one line and a little
of the next ones. Lines of more than 16 KiB are looked at in segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from rules.secret_anchors import Look
from rules.secret_checks import Proof
from rules.secret_spans import find_spans
from tasks._scan_engine import Hits

BLOCK = 1 << 20
LONG_LINE = 1 << 14
"""Bytes; longer lines are cut into segments of this size."""
AHEAD = 1 << 14
"""Bytes that are looked at beyond a segment or the first line of a key file."""
BEHIND = 512
CONTEXT = LONG_LINE + 2 * AHEAD
"""Bytes at a block's end that only the next block can judge."""


_BEFORE_BARE, _AFTER_BARE = {b":", b",", b"["}, {b",", b"}", b"]"}


class Found(NamedTuple):
    """A secret in a stream, with its bytes, which leave the scanner only as a fingerprint."""

    offset: int
    line: int
    kind: str
    proof: Proof
    secret: bytes
    is_bare: bool = False
    """Whether it is a number without quotes in a list or an object: what takes its place needs them."""


class _Piece(NamedTuple):
    """What is looked at together: secrets that begin from `start` to before `end`, in what is seen around them."""

    start: int
    end: int
    left: int
    reach: int
    """Where the seen part ends; -1: to be found by the line."""


class Zone(NamedTuple):
    """A stretch of the stream and the secrets that begin in it (the last may end beyond it)."""

    offset: int
    content: bytes
    found: list[Found]


def scan_stream(stream: BinaryIO, hits: Hits) -> Iterator[Found]:
    """Every secret in the stream, in order."""
    for zone in scan_zones(stream, hits):
        yield from zone.found


def scan_zones(stream: BinaryIO, hits: Hits) -> Iterator[Zone]:
    """The whole stream, zone by zone, with what is found in each."""
    carry, base, line, skip = b"", 0, 1, 0
    while True:
        fresh = stream.read(BLOCK)
        block = carry + fresh
        end = len(block)
        if fresh:
            end = block.rfind(b"\n", skip, max(skip, end - CONTEXT)) + 1
            if end <= skip and len(block) < BLOCK + 2 * CONTEXT:
                carry = block  # a short read, or a long line: see more of it first
                continue
            end = end if end > skip else len(block) - CONTEXT
        found, counted = [], skip
        for each in _scan_block(block, base, (skip, end), hits):
            line += block.count(b"\n", counted, each.offset - base)
            counted = each.offset - base
            found.append(each._replace(line=line))
        yield Zone(base + skip, block[skip:end], found)
        if not fresh:
            return
        line += block.count(b"\n", counted, end)
        behind = 0 if block[end - 1 : end] == b"\n" else BEHIND
        carry, base, skip = block[end - behind :], base + end - behind, behind


def _scan_block(block: bytes, base: int, zone: tuple[int, int], hits: Hits) -> Iterator[Found]:
    pieces: dict[_Piece, Look] = {}
    start = end = 0
    for hit, look in hits(block):
        if not start <= hit < end:
            start, end = block.rfind(b"\n", 0, hit) + 1, block.find(b"\n", hit) + 1 or len(block)
        if start >= zone[0] and end - start <= LONG_LINE:
            if start >= zone[1]:
                break
            pieces[_Piece(start, end, start, -1)] = pieces.get(_Piece(start, end, start, -1), Look(0)) | look
            continue
        for place in (hit - BEHIND, hit):
            piece = _segment(base, place, (max(start, zone[0]), min(end, zone[1])), (start, end))
            if piece:
                pieces[piece] = pieces.get(piece, Look(0)) | look
    for piece, look in sorted(pieces.items()):
        yield from _look(block, base, piece, look)


def _segment(base: int, place: int, zone: tuple[int, int], line: tuple[int, int]) -> _Piece | None:
    """The segment of a long line that a place is in. Segments lie at fixed places of the stream."""
    if not zone[0] <= place < zone[1]:
        return None
    number = (base + place) // LONG_LINE
    start, end = max(zone[0], number * LONG_LINE - base), min(zone[1], (number + 1) * LONG_LINE - base)
    return _Piece(start, end, max(line[0], start - BEHIND), min(line[1], end + AHEAD))


def _reach(block: bytes, start: int, end: int) -> int:
    """How far a look at the line from `start` to `end` goes: into the next line, or to the end of a key."""
    key = block.find(b"-----BEGIN", start, end)
    if key >= 0:
        closing = block.find(b"-----END", key, key + AHEAD)
        if closing >= end:
            stop = block.find(b"\n", closing)
            return len(block) if stop < 0 else stop
        if closing < 0:
            return min(len(block), key + AHEAD)
    following = block.find(b"\n", end, end + AHEAD)
    return following if following >= 0 else min(len(block), end + AHEAD)


def _look(block: bytes, base: int, piece: _Piece, look: Look) -> Iterator[Found]:
    reach = piece.reach if piece.reach >= 0 else _reach(block, piece.start, piece.end)
    seen = block[piece.left : reach]
    plain = seen.isascii()
    text = seen.decode("utf-8", "surrogateescape")
    for span in find_spans(text, look):
        start, end = span.start, span.end
        if not plain:
            start = len(text[:start].encode("utf-8", "surrogateescape"))
            end = start + len(text[span.start : span.end].encode("utf-8", "surrogateescape"))
        if piece.start <= piece.left + start < piece.end:
            secret = seen[start:end]
            bare = (
                secret.isdigit()
                and seen[max(0, start - 9) : start].rstrip()[-1:] in _BEFORE_BARE
                and seen[end : end + 9].lstrip()[:1] in _AFTER_BARE
            )
            yield Found(base + piece.left + start, 0, span.kind, span.proof, secret, bare)
