"""Why a stored secret cannot be read, and what to do about it.

Runbook source: 001 «Secrets Not Accessible». Whether it can be read is found out without showing it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from rules.outcomes import Check, Verdict
from rules.values import Frozen

RECENT = timedelta(hours=24)
"""A value changed since then is news to whoever keeps a copy of it."""


class SecretFacts(Frozen):
    """What was seen of a secret, never its value. Moments are UTC."""

    name: str
    exists: bool
    similar: tuple[str, ...] = ()
    """Where it does not exist: names that do and look alike."""
    deletion_at: datetime | None = None
    has_current: bool = True
    """Whether a version of it is the current one."""
    changed_at: datetime | None = None
    rotates: bool = False
    readable: bool | None = None
    """None: reading was not tried."""
    refusal: str = ""
    """Why it, or its description, could not be read; names the permission that is missing."""


class Fault(StrEnum):
    """Why a secret cannot be read."""

    NONE = "it can be read"
    SCHEDULED_FOR_DELETION = "it is scheduled for deletion"
    MISSING = "it does not exist"
    NO_CURRENT_VERSION = "no version of it is the current one"
    REFUSED = "reading it is refused"


class SecretDiagnosis(Frozen):
    """Which fault a secret has, why we think so, and what a person does about it."""

    fault: Fault
    reason: str
    hint: str = ""


def diagnose_secret(facts: SecretFacts, now: datetime) -> SecretDiagnosis:
    """Which of the faults it is, the first that fits."""
    if facts.refusal and facts.readable is None and facts.exists:
        return _refused(facts)
    if not facts.exists:
        near = f"There is: {', '.join(facts.similar)}." if facts.similar else "No other name looks like it."
        return SecretDiagnosis(
            fault=Fault.MISSING,
            reason=f"{facts.name} does not exist in this account and region",
            hint=f"{near} Correct the name where it is used, or create the secret.",
        )
    if facts.deletion_at:
        return SecretDiagnosis(
            fault=Fault.SCHEDULED_FOR_DELETION,
            reason=f"{facts.name} was deleted; until {facts.deletion_at:%Y-%m-%d %H:%M} UTC it can be restored",
        )
    if not facts.has_current:
        rotation = " A rotation stopped half way." if facts.rotates else ""
        return SecretDiagnosis(
            fault=Fault.NO_CURRENT_VERSION,
            reason=f"no version of {facts.name} has the stage AWSCURRENT",
            hint=f"{rotation} Move AWSCURRENT to the version that works: `aws secretsmanager "
            f"update-secret-version-stage`.".strip(),
        )
    if not facts.readable:
        return _refused(facts)
    news = ""
    if facts.changed_at and now - facts.changed_at <= RECENT:
        how = "rotated or changed" if facts.rotates else "changed"
        news = f"; its value was {how} at {facts.changed_at:%Y-%m-%d %H:%M} UTC: who keeps a copy must read it anew"
    return SecretDiagnosis(fault=Fault.NONE, reason=f"{facts.name} can be read{news}")


def _refused(facts: SecretFacts) -> SecretDiagnosis:
    return SecretDiagnosis(
        fault=Fault.REFUSED,
        reason=facts.refusal or f"reading {facts.name} is refused",
        hint="Look at the policy of the role, of the secret and of its KMS key; allow what the message names.",
    )


def judge_secret(facts: SecretFacts, found: SecretDiagnosis) -> Check:
    """Whether whoever needs the secret gets it."""
    verdict = Verdict.PASS if found.fault is Fault.NONE else Verdict.FAIL
    return Check(
        name=f"secret {facts.name}", verdict=verdict, reason=found.reason, wanted="readable", seen=found.fault
    )
