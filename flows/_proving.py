"""Proving backups: each is tried, the result noted beside it, and people hear once of one that fails."""

from __future__ import annotations

from collections.abc import Iterable

from blocks.environment import Environment
from rules.escalation import Message
from rules.outcomes import Verdict
from rules.retention import Proof
from tasks.announcements import announce
from tasks.backup_proofs import proofs, record_proof
from tasks.restore_trials import Trial, try_restore


def prove(environment: Environment, backup: str, before: Proof) -> Trial:
    """Try a restore beside the stack and note what it showed. Who has heard of a failure is not told again."""
    trial: Trial = try_restore(environment, backup)
    passed = trial.verification.verdict is Verdict.PASS
    reason = "; ".join(trial.verification.reasons) or f"restored in {trial.seconds:.1f} s"
    if not passed and before is not Proof.FAILED:
        message = Message(
            title=f"{environment.name}: the backup {backup} brings nothing back",
            condition=f"{reason}.",
            actions=("It is marked: no recovery returns to it.",),
            needs="Look at the backup store, and make another: `backstop backup`.",
        )
        announce(environment, f"restore-test/{backup}", message)
    record_proof(environment, backup, Proof.PROVEN if passed else Proof.FAILED, reason)
    return trial


def proven_first(environment: Environment, untested: Iterable[str]) -> dict[str, Proof]:
    """What is known of the backups, after trying these in turn until one is proven."""
    for backup in untested:
        if prove(environment, backup, Proof.UNTESTED).verification.verdict is Verdict.PASS:
            break
    known: dict[str, Proof] = proofs(environment)
    return known
