"""Whether Redis can be trusted. PING alone misleads both ways: it answers over lost data, and fails on a full disk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rules.health import Look
from rules.outcomes import Check, Verdict
from rules.values import Frozen

NEARLY_FULL = 0.95
"""Part of the memory it may use."""

_FATAL = re.compile(
    r"RDB CRC error|Bad file format|Wrong signature|Can't handle RDB format|Short read or OOM loading|"
    r"Fatal error loading the DB|Unexpected EOF reading RDB|Internal error in RDB|Terminating server after rdb file|"
    r"Bad file format reading the append only file|Unrecoverable error reading the append only file|"
    r"FATAL AOF MANIFEST|Invalid AOF manifest|AOF file \S+ (?:doesn't|does not) exist|can't open the append log|"
    r"Error reading the RDB preamble|crashed by signal|Unknown RDB encoding type|Guru Meditation",
    re.IGNORECASE,
)


class RedisLook(Frozen):
    """What Redis says of itself at one moment."""

    answers: bool
    reason: str = ""
    """Why it does not answer."""
    version: str = ""
    loading: bool = False
    """It is reading its data and answers nothing else yet."""
    role: str = ""
    key_count: int = 0
    """All keys of the database."""
    used_memory: int = 0
    max_memory: int = 0
    """Bytes; 0: no limit."""
    eviction_policy: str = ""
    evicted_keys: int = 0
    append_only: bool = False
    last_save_ok: bool = True
    last_append_ok: bool = True
    saving: bool = False
    saves: int = 0
    """Data files written since it started."""
    uptime_seconds: int = 0


class KeyCounts(Frozen):
    """How many keys there are, and how many of them under each prefix."""

    total: int
    by_prefix: dict[str, int]
    sample: dict[str, str] = {}
    """Of a few keys: which kind of value each has, and the beginning of its hash."""
    kinds: dict[str, int] = {}
    """How many of those under the prefixes are no plain strings, by the kind of their value."""


ODD_KINDS = ("hash", "list", "set", "stream", "zset")
"""Of values that are no plain strings."""


def judge_redis(look: RedisLook, canary: Look | None = None, log: Sequence[str] = ()) -> list[Check]:
    """A check for each thing that can be wrong with it; `log` is what its container said last."""
    checks = [_answers(look, log)]
    if canary is not None:
        checks.append(Check(name="redis canary", verdict=canary.verdict, reason=canary.reason))
    if look.answers and not look.loading:
        checks += [_persistence(look), _memory(look)]
    return checks


def _answers(look: RedisLook, log: Sequence[str]) -> Check:
    name = "redis answers"
    if look.loading:
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason="it is loading its data")
    if look.answers:
        return Check(name=name, verdict=Verdict.PASS, reason=f"{look.key_count} keys, version {look.version}")
    fault = load_fault(log)
    return Check(
        name=name, verdict=Verdict.FAIL, reason=f"it cannot load its data: {fault}" if fault else look.reason
    )


def _persistence(look: RedisLook) -> Check:
    ill = [
        told
        for told, well in (
            ("the last data file could not be written", look.last_save_ok),
            ("the append-only file could not be written", look.last_append_ok),
        )
        if not well
    ]
    return Check(
        name="redis persistence",
        verdict=Verdict.FAIL if ill else Verdict.PASS,
        reason="; ".join(ill) or "what it holds is written to disk",
    )


def _memory(look: RedisLook) -> Check:
    name = "redis memory"
    if not look.max_memory:
        return Check(name=name, verdict=Verdict.PASS, reason=f"{look.used_memory} bytes, no limit")
    part = look.used_memory / look.max_memory
    full = part >= NEARLY_FULL and look.eviction_policy == "noeviction"
    return Check(
        name=name,
        verdict=Verdict.FAIL if full else Verdict.PASS,
        reason=f"{part:.0%} of what it may use, {look.eviction_policy or 'no eviction'}",
    )


def load_fault(log: Sequence[str]) -> str:
    """The line of a log that says why Redis could not load its data; empty: none does. The last one counts."""
    for line in reversed(log):
        if _FATAL.search(line):
            return " ".join(line.partition("# ")[2].split() or line.split())[:300]
    return ""


def count_by_prefix(keys: Sequence[str], prefixes: Sequence[str]) -> dict[str, int]:
    """How many of the keys begin with each prefix; a key counts under the longest one that fits."""
    longest_first = sorted(prefixes, key=len, reverse=True)
    counts = dict.fromkeys(prefixes, 0)
    for key in keys:
        for prefix in longest_first:
            if key.startswith(prefix):
                counts[prefix] += 1
                break
    return counts
