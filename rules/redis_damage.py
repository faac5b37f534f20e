"""Whether Redis's data is damaged, and not only its service: only then a backup's data is put in its place.

Runbook source: 004, scenario 2 «Redis Data Corruption». Its PING answers while everything is lost, and fails while
all of it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.backups import BackupManifest
from rules.outcomes import Check, Finding, Verdict, Verification
from rules.redis_health import KeyCounts, RedisLook, load_fault
from rules.severity import Destructiveness, Severity, Situation
from rules.stack_restore_points import RestorePoint, is_loss

LOAD, KEYS, KINDS = "redis load", "redis keys", "redis kinds"
"""What the checks of the data are called."""
ANSWERS = "redis answers"


def judge_load(look: RedisLook, log: Sequence[str]) -> Check:
    """Whether it could read its data when it started."""
    fault = "" if look.answers else load_fault(log)
    if fault:
        return Check(name=LOAD, verdict=Verdict.FAIL, reason=f"it cannot read its data: {fault}")
    return Check(name=LOAD, verdict=Verdict.PASS, reason="nothing says that it could not read its data")


def judge_data(counts: KeyCounts | None, reference: BackupManifest | None) -> list[Check]:
    """Whether the keys are there that the last sound backup had, and of which kinds.

    Args:
        counts: What there is; None: it could not be counted.
        reference: The newest backup that was not made after a loss; None: there is none.
    """
    if counts is None:
        return []  # it does not answer: said elsewhere
    if reference is None:
        told = "there is no backup to compare with"
        return [Check(name=KEYS, verdict=Verdict.INCONCLUSIVE, reason=told)]
    checks = [
        _keys(prefix, before, counts.by_prefix.get(prefix, 0), reference.id)
        for prefix, before in reference.data.by_prefix.items()
    ]
    return [*checks, *_kinds(counts, reference)]


def _keys(prefix: str, before: int, now: int, backup: str) -> Check:
    lost = is_loss(before, now)
    return Check(
        name=f"{KEYS} {prefix}*",
        verdict=Verdict.FAIL if lost else Verdict.PASS,
        reason=f"{now} keys, {before} in the backup {backup}",
        wanted=f"about {before}",
        seen=str(now),
    )


def _kinds(counts: KeyCounts, reference: BackupManifest) -> list[Check]:
    before = reference.data.kinds
    if before is None:
        return []
    odd = [
        f"{number} of the keys hold a {kind}" for kind, number in counts.kinds.items() if kind not in before
    ]
    told = f"{'; '.join(odd)}, none did in the backup {reference.id}" if odd else "as the backup has them"
    return [Check(name=KINDS, verdict=Verdict.FAIL if odd else Verdict.PASS, reason=told)]


def found(checks: Sequence[Check], severity: Severity) -> Finding:
    """What was found, with the damage first; where data is damaged, people have to know at once."""
    failed = [check for check in checks if check.verdict is Verdict.FAIL]
    unclear = [check for check in checks if check.verdict is Verdict.INCONCLUSIVE]
    first = [*(check for check in failed if _of_data(check)), *failed, *unclear]
    told = f"{first[0].name}: {first[0].reason}" if first else "Redis answers, keeps, and holds what it held"
    return Finding(
        health=Verification.of(checks),
        severity=severity if failed else Severity.MEDIUM if unclear else Severity.LOW,
        summary=told,
        situation=Situation.DATA_CORRUPT if is_damaged(checks) else None,
    )


def is_damaged(checks: Iterable[Check]) -> bool:
    """Whether a check says that data is lost or cannot be read."""
    return any(check.verdict is Verdict.FAIL and _of_data(check) for check in checks)


def is_down(checks: Iterable[Check]) -> bool:
    """Whether Redis serves nobody."""
    return any(check.name == ANSWERS and check.verdict is Verdict.FAIL for check in checks)


def cost(checks: Sequence[Check], point: RestorePoint) -> tuple[Destructiveness, str]:
    """What returning to a restore point may cost, with the reason. What Redis holds now is kept in any case."""
    if not point.within_objective:
        return Destructiveness.DESTRUCTIVE, "more is lost than the objective allows"
    if is_down(checks):
        return Destructiveness.REVERSIBLE, "it serves nobody now, and what it holds is kept"
    return Destructiveness.DISRUPTIVE, "it serves what it still holds, and what was written since is lost"


def _of_data(check: Check) -> bool:
    return check.name.startswith((LOAD, KEYS, KINDS))
