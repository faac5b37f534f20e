"""Finding where in a block of bytes a closer look is worth it: with Hyperscan, or slower with Python's `re`.

Both look for the same anchors (`rules/secret_anchors.py`), so that they lead to the same findings.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from rules.secret_anchors import ANCHORS, EMPTY, Look

Hits = Callable[[bytes], list[tuple[int, Look]]]
"""Positions in a block, in order, each within a line that is worth a look, and at what."""

_making = threading.Lock()
_CASELESS = "(?i)"


@cache
def fastest() -> Hits:
    """The fastest engine of this machine."""
    try:
        return with_hyperscan()
    except ImportError:  # no wheel for this machine
        return with_re()


@cache
def with_hyperscan() -> Hits:
    """One pass for all anchors.

    Raises:
        ImportError: Hyperscan is not installed.
    """
    import hyperscan

    expressions = [anchor.expression for anchor in ANCHORS]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[told.removeprefix(_CASELESS).encode() for told in expressions],
        ids=list(range(len(ANCHORS))),
        elements=len(ANCHORS),
        flags=[
            hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_CASELESS if told.startswith(_CASELESS) else 0)
            for told in expressions
        ],
    )
    looks = [anchor.look for anchor in ANCHORS]
    own = threading.local()  # what Hyperscan scribbles on serves one thread at a time

    def hits(block: bytes) -> list[tuple[int, Look]]:
        found: list[tuple[int, Look]] = []

        def told(anchor: int, _start: int, end: int, _flags: int, _context: Any) -> None:
            look = looks[anchor]
            if look is not Look.PAIRS or not EMPTY.match(block, end):
                found.append((end - 1, look))

        if not hasattr(own, "scratch"):
            with _making:
                own.scratch = database.scratch.clone()
        database.scan(block, match_event_handler=told, scratch=own.scratch)
        return found

    return hits


@cache
def with_re() -> Hits:
    """An anchor after the other: needs nothing but Python."""
    patterns = [
        (
            re.compile(anchor.expression.removeprefix(_CASELESS).encode(), re.MULTILINE),
            anchor,
            [needle.encode() for needle in anchor.needles],
        )
        for anchor in ANCHORS
    ]

    def hits(block: bytes) -> list[tuple[int, Look]]:
        found: list[tuple[int, Look]] = []
        lowered = block.lower()  # much quicker than to ignore the case in each pattern
        for pattern, anchor, needles in patterns:
            if needles and not any(needle in lowered for needle in needles):
                continue
            searched = lowered if anchor.expression.startswith(_CASELESS) else block
            ends = [each.end() for each in pattern.finditer(searched)]
            if anchor.look is Look.PAIRS:
                ends = [end for end in ends if not EMPTY.match(block, end)]
            found += [(end - 1, anchor.look) for end in ends]
        return sorted(found)

    return hits
