"""Which backups are kept, and which go: first into the trash, later away.

Ages are measured from the newest good backup, never from the clock: a store that was left alone for a month keeps
everything. Between two neighbouring backups no more time counts than a quarter of the retention, so that a clock
that jumped ahead makes nothing old at once.

Runbook source: 004, «Backup Management» (retention per environment; critical backups longer).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from rules.severity import Tier

RETENTION: dict[Tier, timedelta] = {
    Tier.DEVELOPMENT: timedelta(days=1),
    Tier.QA: timedelta(days=1),
    Tier.STAGING: timedelta(days=3),
    Tier.PREPROD: timedelta(days=3),
    Tier.PRODUCTION: timedelta(days=7),
}
"""How long a backup is kept, by tier."""

CRITICAL = timedelta(days=30)
"""How long one is kept that somebody marked as critical."""

IN_TRASH = timedelta(days=1)
"""How much older than its retention a backup must be before it leaves the trash."""

_SHARE_OF_A_GAP = 4


class Proof(StrEnum):
    """What is known of a backup."""

    PROVEN = "proven"
    """A restore of it was tested, and brought everything back."""
    UNTESTED = "untested"
    FAILED = "failed"
    """A test of it failed: it may be looked at, and is nothing to return to."""


class Fate(StrEnum):
    """What becomes of a backup."""

    KEEP = "keep"
    TRASH = "trash"
    """It is put away where nothing chooses it any more, and can be taken back."""
    TAKE_BACK = "take back"
    """It is in the trash, and is needed again."""
    LEAVE = "leave in the trash"
    DELETE = "delete"

    @property
    def goes(self) -> bool:
        """Whether it is let go, or stays so."""
        return self in (Fate.TRASH, Fate.LEAVE, Fate.DELETE)


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup as the store has it. `taken_at` is in UTC."""

    id: str
    taken_at: datetime
    proof: Proof = Proof.UNTESTED
    critical: bool = False
    in_trash: bool = False


class Decision(NamedTuple):
    """What becomes of one backup, and why."""

    id: str
    fate: Fate
    reason: str


def decide(backups: Iterable[Kept], tier: Tier, *, needed: Mapping[str, str] | None = None) -> list[Decision]:
    """What becomes of each backup, the newest first. `needed` says by whom a backup is in use, by its id.

    Nothing goes while no backup is proven, except what failed its test. The newest proven one, the newest good one
    and what is in use never go.
    """
    needed = needed or {}
    newest_first = sorted(backups, key=lambda backup: (backup.taken_at, backup.id), reverse=True)
    good = [backup for backup in newest_first if backup.proof is not Proof.FAILED]
    proven = next((backup.id for backup in good if backup.proof is Proof.PROVEN), None)
    never = {good[0].id: "the newest good one"} if good else {}
    if proven:
        never[proven] = "the newest proven one"
    never |= needed
    kept_for = RETENTION[tier]
    ages = _ages(newest_first, kept_for / _SHARE_OF_A_GAP)
    return [
        _fate(backup, ages[backup.id], kept_for, never, unproven=proven is None) for backup in newest_first
    ]


def _fate(
    backup: Kept, age: timedelta, kept_for: timedelta, never: Mapping[str, str], *, unproven: bool
) -> Decision:
    stay, go = (Fate.TAKE_BACK, Fate.LEAVE) if backup.in_trash else (Fate.KEEP, Fate.TRASH)
    if backup.id in never:
        return Decision(backup.id, stay, never[backup.id])
    if unproven and backup.proof is not Proof.FAILED:
        return Decision(backup.id, stay, "no backup is proven yet: test a restore first")
    kept_for = max(CRITICAL, kept_for) if backup.critical else kept_for
    what = "critical, " if backup.critical else ""
    if age <= kept_for:
        return Decision(backup.id, stay, f"{what}{_told(age)} of {_told(kept_for)}")
    if backup.in_trash and age > kept_for + IN_TRASH:
        go = Fate.DELETE
    return Decision(backup.id, go, f"{what}{_told(age)} old, kept for {_told(kept_for)}")


def _ages(newest_first: Collection[Kept], longest_gap: timedelta) -> dict[str, timedelta]:
    """How much older each is than the newest good one; what is newer than that is of no age."""
    ages: dict[str, timedelta] = {}
    age, later, counting = timedelta(), None, False
    for backup in newest_first:
        if counting and later is not None:
            age += min(later - backup.taken_at, longest_gap)
        counting = counting or backup.proof is not Proof.FAILED
        later = backup.taken_at
        ages[backup.id] = age
    return ages


def _told(time: timedelta) -> str:
    seconds = time.days * 86_400 + time.seconds
    return _in_words(seconds // 8_640, "days") if seconds >= 172_800 else _in_words(seconds // 360, "hours")


@lru_cache(maxsize=8192)
def _in_words(tenths: int, unit: str) -> str:
    return f"{tenths / 10:.1f} {unit}"
