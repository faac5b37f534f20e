"""What a fast engine looks for: wherever a secret stands, one of these expressions matches in its line.

They are written in what Hyperscan and Python's `re` both know, for bytes: no look-around, no back reference.
Missing none is what counts; what they find too much costs the exact look at one line.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from enum import IntFlag, auto
from typing import NamedTuple

from rules.personal_fields import FIELD_ANCHOR
from rules.redaction_pairs import NAMES, NEEDLES, QUOTE
from rules.secret_patterns import SHAPES


def _encodings(word: str) -> Iterator[str]:
    """The characters by which base64 shows a word, at each of the three places it may start at."""
    for shift in range(3):
        told = base64.b64encode(b"\0" * shift + word.encode()).decode().rstrip("=")
        bits = 8 * shift, 8 * (shift + len(word))
        yield told[-(-bits[0] // 6) : bits[1] // 6]


_TELLING = """AKIA ASIA ghp_ gho_ ghs_ github_pat_ glpat- xoxb- xoxp- sk_live_ npm_ hvs. sk-proj- sk-ant- -----BEGIN
    password Password secret_key api_key apiKey"""
ENCODED = tuple(sorted({told for word in _TELLING.split() for told in _encodings(word)}))
"""Needles of credentials as they look inside base64."""


class Look(IntFlag):
    """Which exact look an anchor asks for."""

    WORDS = auto()
    PAIRS = auto()
    FIELDS = auto()
    EMAILS = auto()
    RUNS = auto()
    NUMBERS = auto()
    ENCODED = auto()


EVERYTHING = Look(2 * Look.ENCODED - 1)


class Anchor(NamedTuple):
    """An expression for bytes, the look it asks for, and needles without one of which it cannot match."""

    expression: str
    look: Look
    needles: tuple[str, ...] = ()


_NAME = "(?:" + "|".join(NAMES) + ")"
_GAP = r"[\s\x80-\xff]{0,9}"
_WORD = r"[\w.%+\x80-\xff-]"
_NUMBERS = (
    r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}",
    r"[2-9][0-9]{2}[-.][2-9][0-9]{2}[-.][0-9]{4}",
    r"\([2-9][0-9]{2}\) ?[0-9]{3}[-. ][0-9]{4}",
    r"\+[1-9](?:[ .()-]{0,2}[0-9]){7}",
    r"(?:^|[^0-9])[2-6][0-9]{12}",
    r"[2-6][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}",
    r"3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4}",
    r"(?:^|[^A-Za-z0-9])[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
)

ANCHORS: tuple[Anchor, ...] = (
    *(Anchor(shape.anchor, Look.WORDS, shape.needles) for shape in SHAPES),
    *(Anchor(word, Look.ENCODED, (word.lower(),)) for word in ENCODED),
    Anchor(rf"(?i){_NAME}(?:{QUOTE})?\]?{_GAP}[=:]", Look.PAIRS, NEEDLES),
    Anchor(rf"(?i)--\S{{0,60}}{_NAME}\s", Look.PAIRS, ("--",)),
    Anchor(rf"(?i){_NAME}[`*\s]{{0,3}}(?:\||</t[dh]>|>)", Look.PAIRS, ("|", ">")),
    Anchor(FIELD_ANCHOR, Look.FIELDS),
    Anchor(rf"{_WORD}@[A-Za-z0-9\x80-\xff][\w\x80-\xff-]*\.[A-Za-z0-9\x80-\xff]", Look.EMAILS, ("@",)),
    Anchor(r"(?:^|[^A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?:[^A-Za-z0-9/+]|$)", Look.RUNS),
    *(Anchor(number, Look.NUMBERS) for number in _NUMBERS),
)

EMPTY = re.compile(
    rb"""(?i)\s{0,3}(?:(?:\\{0,7}["'])?(?:null|none|true|false|nil|undefined)(?=[\s,;&"'<>(){}\\|])"""
    rb"""|""(?=[\s,;}\])]))"""
)
"""After a name and its sign: no value. The look can be spared."""
