"""What proves a backup: a restore of it that was tried, and brought everything back that its manifest promises."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence

from rules.backups import DataFacts
from rules.outcomes import Check, Verdict
from rules.redis_health import KeyCounts
from rules.retention import Proof

SAMPLE = 20
"""Keys that a backup remembers the values of."""
SAMPLED_BYTES = 65536
"""Of each value."""
SHARE, FEW = 0.1, 10
"""By so much, or so few keys, what is counted in a running server may differ from its data file: it goes on."""


def to_test(
    newest_first: Sequence[str], known: Mapping[str, Proof], *, named: str = "", every: bool = False
) -> list[str]:
    """Which backups a test takes: the named one, each that was never tested, or the newest if that was not."""
    if named:
        return [named]
    untested = [backup for backup in newest_first if known.get(backup, Proof.UNTESTED) is Proof.UNTESTED]
    return untested if every else [backup for backup in newest_first[:1] if backup in untested]


def judge_prefixes(facts: DataFacts, counts: KeyCounts, expired: int) -> list[Check]:
    """Whether as many keys are under each prefix as when the backup was made; `expired` have gone since."""
    return [_judged(prefix, wanted, counts.by_prefix.get(prefix, 0), expired)
            for prefix, wanted in facts.by_prefix.items()]  # fmt: skip


def _judged(prefix: str, wanted: int, seen: int, expired: int) -> Check:
    most = max(FEW, SHARE * wanted)
    near = wanted - most - expired <= seen <= wanted + most
    return Check(
        name=f"keys {prefix}*",
        verdict=Verdict.PASS if near else Verdict.FAIL,
        reason=f"{seen} keys, {wanted} when it was made",
        wanted=str(wanted),
        seen=str(seen),
    )


def rank(key: str) -> int:
    """Where a key stands for the sample: those that stand first are in it, whatever order they are found in."""
    return zlib.crc32(key.encode("utf-8", "replace"))


def value_mark(kind: str, beginning: str) -> str:
    """What is remembered of a value: enough to tell another one, too little to guess it."""
    return f"{kind} {hashlib.sha1(beginning.encode(), usedforsecurity=False).hexdigest()[:3]}"


def judge_sample(sample: Mapping[str, str], seen: Mapping[str, str]) -> Check:
    """Whether the sampled keys have the values they had; a few may have changed while the backup was made."""
    if not sample:
        return Check(name="sample", verdict=Verdict.PASS, reason="the backup remembers no values")
    same = sum(seen.get(key) == value for key, value in sample.items())
    verdict = Verdict.PASS if same >= (1 - SHARE) * len(sample) else Verdict.FAIL
    return Check(
        name="sample",
        verdict=verdict,
        reason=f"{same} of {len(sample)} sampled keys have the value they had",
        wanted=str(len(sample)),
        seen=str(same),
    )
