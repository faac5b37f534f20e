"""Which backup a Docker stack returns to: the newest one that is proven, and what is lost by it.

Runbook source: 004, «Automated Rollback» (detect the latest backup) and its RPO of five minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from rules.backups import BackupId, BackupManifest
from rules.errors import NoWayBack
from rules.retention import Proof
from rules.values import Frozen

LOSS, FEW = 0.2, 10
"""So much smaller than before, and by more than so few keys, is a loss and no coming and going."""
NEAR = timedelta(hours=1)
"""Backups further apart are not compared: over night many keys may expire."""


class Candidate(Frozen):
    """A backup that might be returned to."""

    backup: BackupId
    taken_at: AwareDatetime
    """When it began: what was written later is not in it."""
    proof: Proof
    key_counts: dict[str, int]
    """By prefix."""


class RestorePoint(Frozen):
    """What is returned to, and why."""

    backup: BackupId
    taken_at: AwareDatetime
    lost_seconds: float
    """How long was written what is lost, where data is returned."""
    within_objective: bool
    reasons: tuple[str, ...]


def candidates(manifests: Iterable[BackupManifest], proofs: Mapping[str, Proof]) -> list[Candidate]:
    """The backups as candidates, newest first."""
    found = [
        Candidate(
            backup=each.id,
            taken_at=each.began_at,
            proof=proofs.get(each.id, Proof.UNTESTED),
            key_counts=each.data.by_prefix,
        )
        for each in manifests
    ]
    return sorted(found, key=lambda each: (each.taken_at, each.backup), reverse=True)


def made_after_a_loss(newest_first: Iterable[Candidate]) -> dict[str, str]:
    """The backups that were made when keys were lost already, each with the reason.

    They restore well, and bring the loss back. A backup is compared with the last sound one, if that is near.
    """
    found: dict[str, str] = {}
    sound: Candidate | None = None
    for each in reversed(list(newest_first)):
        if sound is not None and each.taken_at - sound.taken_at <= NEAR:
            for prefix, before in sound.key_counts.items():
                if is_loss(before, now := each.key_counts.get(prefix, 0)):
                    found[each.backup] = (
                        f"made with {now} keys under {prefix} after {before} in {sound.backup}"
                    )
        if each.backup not in found:
            sound = each
    return found


def is_loss(before: int, now: int) -> bool:
    """Whether so many keys fewer are a loss."""
    return before - now > max(FEW, LOSS * before)


def choose(
    newest_first: Collection[Candidate],
    now: datetime,
    objective_seconds: float,
    *,
    named: str = "",
    with_data: bool = True,
    leave_out: Collection[str] = (),
) -> RestorePoint:
    """The backup to return to: the named one, else the newest proven.

    Args:
        newest_first: What there is.
        now: The time.
        objective_seconds: How much may be lost: the recovery point objective.
        named: A person's choice: it may be untested, and made after a loss, but not one that failed its test.
        with_data: Redis's data is returned too: backups made after a loss are left out.
        leave_out: Backups that were tried.

    Raises:
        NoWayBack: there is none; the hint says what to do.
    """
    lossy = made_after_a_loss(newest_first) if with_data else {}
    if named:
        return _point(_named(newest_first, named), now, objective_seconds, lossy, named=True)
    passed: list[str] = []
    for each in newest_first:
        if each.backup in leave_out:
            passed.append(f"{each.backup} was tried")
        elif each.backup in lossy:
            passed.append(f"{each.backup} was {lossy[each.backup]}")
        elif each.proof is not Proof.PROVEN:
            passed.append(
                f"{each.backup} {'failed its test' if each.proof is Proof.FAILED else 'is not tested'}"
            )
        else:
            return _point(each, now, objective_seconds, {}, passed=passed)
    if not newest_first:
        raise NoWayBack("There is no backup.", hint="Backups are made by the schedule and `backstop backup`.")
    raise NoWayBack(
        f"None of {len(newest_first)} backups is proven and sound: {'; '.join(passed[:5])}.",
        hint="Test them: `backstop backup --test`. Or name one.",
    )


def worth_a_test(
    newest_first: Collection[Candidate], *, named: str = "", with_data: bool = True
) -> list[str]:
    """The untested backups that would be chosen if they were proven, in the order to test them."""
    if named:
        return [each.backup for each in newest_first if each.backup == named and each.proof is Proof.UNTESTED]
    lossy = made_after_a_loss(newest_first) if with_data else {}
    found = []
    for each in newest_first:
        if each.proof is Proof.PROVEN and each.backup not in lossy:
            break
        if each.proof is Proof.UNTESTED and each.backup not in lossy:
            found.append(each.backup)
    return found


def _named(newest_first: Iterable[Candidate], named: str) -> Candidate:
    for each in newest_first:
        if each.backup == named:
            if each.proof is Proof.FAILED:
                raise NoWayBack(
                    f"The backup {named} failed its test: it brings nothing back.",
                    hint="`backstop backup --list` shows what is proven.",
                )
            return each
    raise NoWayBack(f"There is no backup {named}.", hint="`backstop backup --list` shows what there is.")


def _point(
    chosen: Candidate,
    now: datetime,
    objective_seconds: float,
    lossy: Mapping[str, str],
    *,
    named: bool = False,
    passed: Collection[str] = (),
) -> RestorePoint:
    lost = max(0.0, (now - chosen.taken_at).total_seconds())
    within = lost <= objective_seconds
    reasons = [f"{chosen.backup} was {'asked for' if named else 'the newest proven one'}", *passed]
    if chosen.proof is not Proof.PROVEN:
        reasons.append("a restore of it was never tested")
    if chosen.backup in lossy:
        reasons.append(f"it was {lossy[chosen.backup]}")
    told = f"what was written since {chosen.taken_at:%Y-%m-%d %H:%M:%S} UTC is lost ({_told(lost)})"
    if not within:
        told += f", more than the objective of {_told(objective_seconds)}"
    return RestorePoint(
        backup=chosen.backup,
        taken_at=chosen.taken_at,
        lost_seconds=lost,
        within_objective=within,
        reasons=(*reasons, told),
    )


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
