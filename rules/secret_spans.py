"""Where in a text secrets and personal data stand, what they are and how sure that is.

The same shapes as the redactor's, told as positions.

Runbook source: 000 «Credentials exposed in artifacts», «PII in artifacts».
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from rules.personal_fields import find_fields
from rules.redaction_pairs import find_pairs
from rules.redaction_shapes import find_numbers, is_random
from rules.secret_anchors import ENCODED, EVERYTHING, Look
from rules.secret_checks import Proof, prove
from rules.secret_patterns import EMAIL, LONG_RUN, SHAPES

PERSONAL = frozenset(
    {
        *("email", "phone", "name", "birth-date", "address", "health"),
        *("ssn", "identity-number", "card", "iban", "bank-account"),
    }
)
"""The kinds that are personal data; every other kind is a credential."""

_BREAK = re.compile(r"(?:\\\r?\n|=\r?\n|\r?\n|\\r\\n|\\n)[ \t]*(?:[>|#+*] ?)?")
_ENCODED = re.compile("|".join(map(re.escape, ENCODED)))
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")

_PIECE = 4
"""Characters of a secret beside a surer one in it that are told as well; fewer are quotes and brackets."""


class Span(NamedTuple):
    """One secret: the characters from `start` to before `end`."""

    start: int
    end: int
    kind: str
    proof: Proof


def find_spans(text: str, look: Look = EVERYTHING) -> list[Span]:
    """Every secret and personal datum of a text, in order, none inside another; `look` spares what is not asked for."""
    found = list(_plain(text, look))
    if look & Look.ENCODED:
        found += _encoded(text)
    found = _apart(found)
    if look & Look.WORDS and ("\n" in text or "\\n" in text):
        found = _apart([*found, *_broken(text, found)])
    return found


def _plain(text: str, look: Look) -> Iterator[Span]:
    lowered = text.lower() if text.isascii() else text.replace("\u0130", "I").lower()
    if look & Look.WORDS:
        yield from _words(text, lowered)
    for asked, find in ((Look.PAIRS, partial(find_pairs, lowered=lowered)), (Look.FIELDS, find_fields)):
        if look & asked:
            yield from (Span(start, end, kind, Proof.NAME) for start, end, kind in find(text))
    if look & Look.EMAILS:
        for found in EMAIL.finditer(text):
            yield Span(*found.span(), "email", Proof.SHAPE)
    if look & Look.RUNS:
        for found in LONG_RUN.finditer(text):
            if is_random(found.group()):
                yield Span(*found.span(), "aws-secret-key", Proof.SHAPE)
    if look & Look.NUMBERS:
        for start, end, kind in find_numbers(text):
            yield Span(start, end, kind, prove(kind, text[start:end]))


def _words(text: str, lowered: str, broken: bool = False) -> Iterator[Span]:
    for shape in SHAPES:
        if (shape.breaks or not broken) and any(needle in lowered for needle in shape.needles):
            for found in shape.pattern.finditer(text):
                start, end = found.span("secret" if "secret" in shape.pattern.groupindex else 0)
                yield Span(start, end, shape.name, prove(shape.name, text[start:end]))


def _encoded(text: str) -> Iterator[Span]:
    """Runs of base64 that hold a credential."""
    for run in _BASE64.finditer(text):
        if _ENCODED.search(run.group()) is None:
            continue
        plain = run.group().rstrip("=").replace("-", "+").replace("_", "/")
        plain = plain[: len(plain) - (len(plain) % 4 == 1)]
        inside = base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("latin-1")
        for span in _plain(inside, EVERYTHING):
            if span.kind not in PERSONAL and span.proof is not Proof.DOUBTFUL:
                yield Span(*run.span(), span.kind, span.proof)
                break


def _broken(text: str, found: list[Span]) -> Iterator[Span]:
    """Tokens that a line end cut in two: only what is none of the whole ones."""
    pieces, offsets, starts, done, length = [], [0], [0], 0, 0
    for gap in _BREAK.finditer(text):
        pieces.append(text[done : gap.start()])
        length, done = length + gap.start() - done, gap.end()
        starts.append(length)
        offsets.append(done - length)
    joined = "".join([*pieces, text[done:]])
    for span in _words(joined, joined.lower(), broken=True):
        first, last = bisect_right(starts, span.start) - 1, bisect_right(starts, span.end - 1) - 1
        start, end = span.start + offsets[first], span.end + offsets[last]
        whole = any(each.start < end and start < each.end and each.proof is not Proof.NAME for each in found)
        if first != last and not whole and span.proof is not Proof.DOUBTFUL:
            yield span._replace(start=start, end=end)


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, none over another: the surer keeps its place, what a longer one has beside it stays found."""
    rank = {Proof.CHECKSUM: 0, Proof.STRUCTURE: 1, Proof.SHAPE: 2, Proof.NAME: 3, Proof.DOUBTFUL: 4}
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: (rank[each.proof], each.start - each.end, each.start)):
        start = span.start
        for other in sorted(each for each in kept if each.start < span.end and span.start < each.end):
            if other.start - start >= _PIECE:
                kept.append(span._replace(start=start, end=other.start))
            start = max(start, other.end)
        if span.end - start >= _PIECE or (start == span.start and span.end > start):
            kept.append(span._replace(start=start))
    return sorted(kept)
