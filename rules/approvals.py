"""Who must agree before a plan is acted on, and whether the answers given suffice.

Runbook sources: 001 «Escalation Matrix», 003 «Decision Matrix» and «Approval», 004 «Rollback Types».
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from rules.severity import Destructiveness, Severity, Tier
from rules.values import Frozen


class Policy(StrEnum):
    """What a plan needs before it is acted on."""

    AUTOMATIC = "automatic"
    ONE_APPROVER = "one approver"
    TWO_APPROVERS = "two approvers"

    @property
    def approvers(self) -> int:
        """How many people must agree."""
        return {Policy.AUTOMATIC: 0, Policy.ONE_APPROVER: 1, Policy.TWO_APPROVERS: 2}[self]


class Decision(StrEnum):
    """What a person can answer."""

    APPROVE = "approve"
    REJECT = "reject"
    BREAK_GLASS = "break-glass"


class Answer(Frozen):
    """One person's answer to one plan."""

    decision: Decision
    approver: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    comment: str = ""
    source: str = "command"
    at: datetime | None = None


class Requirement(Frozen):
    """The policy that applies to a plan, and why."""

    policy: Policy
    reason: str


class Standing(StrEnum):
    """Where a plan stands between question and answer."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


_ORDER = [Policy.AUTOMATIC, Policy.ONE_APPROVER, Policy.TWO_APPROVERS]

_BY_DESTRUCTIVENESS: dict[Destructiveness, dict[Tier, Policy]] = {
    Destructiveness.REVERSIBLE: {
        Tier.DEVELOPMENT: Policy.AUTOMATIC,
        Tier.QA: Policy.AUTOMATIC,
        Tier.STAGING: Policy.AUTOMATIC,
        Tier.PREPROD: Policy.AUTOMATIC,
        Tier.PRODUCTION: Policy.ONE_APPROVER,
    },
    Destructiveness.DISRUPTIVE: {
        Tier.DEVELOPMENT: Policy.AUTOMATIC,
        Tier.QA: Policy.AUTOMATIC,
        Tier.STAGING: Policy.ONE_APPROVER,
        Tier.PREPROD: Policy.ONE_APPROVER,
        Tier.PRODUCTION: Policy.ONE_APPROVER,
    },
    Destructiveness.DESTRUCTIVE: {
        Tier.DEVELOPMENT: Policy.ONE_APPROVER,
        Tier.QA: Policy.ONE_APPROVER,
        Tier.STAGING: Policy.ONE_APPROVER,
        Tier.PREPROD: Policy.TWO_APPROVERS,
        Tier.PRODUCTION: Policy.TWO_APPROVERS,
    },
}


def required(
    severity: Severity, tier: Tier, destructiveness: Destructiveness, *, automatic_up_to: Policy | None = None
) -> Requirement:
    """Which policy a plan falls under.

    A critical or high finding in production may be repaired reversibly without asking: every minute of it
    is an outage, and the plan can be undone. `automatic_up_to` is the environment's own word: the policies
    up to that one are waived there; what destroys data is never waived.
    """
    policy = _BY_DESTRUCTIVENESS[destructiveness][tier]
    reason = f"{destructiveness.value} in {tier.value} needs {_needs(policy)}"
    urgent = severity in (Severity.CRITICAL, Severity.HIGH)
    if policy is Policy.ONE_APPROVER and destructiveness is Destructiveness.REVERSIBLE and urgent:
        policy, reason = Policy.AUTOMATIC, f"{severity.value} and reversible: waiting costs more than acting"
    if destructiveness is Destructiveness.DESTRUCTIVE or automatic_up_to is None:
        return Requirement(policy=policy, reason=reason)
    if policy is not Policy.AUTOMATIC and _ORDER.index(policy) <= _ORDER.index(automatic_up_to):
        return Requirement(policy=Policy.AUTOMATIC, reason=f"{reason}; the environment waives it")
    return Requirement(policy=policy, reason=reason)


def stands(policy: Policy, answers: Sequence[Answer], requester: str) -> tuple[Standing, str]:
    """Whether the answers to a plan suffice; one rejection outweighs every approval.

    The requester's own approval does not count where two are needed; a break-glass answer counts for all of
    them.
    """
    for answer in answers:
        if answer.decision is Decision.REJECT:
            return Standing.REJECTED, f"rejected by {answer.approver}" + (
                f": {answer.comment}" if answer.comment else ""
            )
    broken = next((a for a in answers if a.decision is Decision.BREAK_GLASS and a.comment.strip()), None)
    if broken:
        return Standing.APPROVED, f"break-glass by {broken.approver}: {broken.comment}"
    people: dict[str, str] = {}
    for answer in answers:
        own = policy is Policy.TWO_APPROVERS and same_person(answer.approver, requester)
        if answer.decision is Decision.APPROVE and not own:
            people.setdefault(_spelt(answer.approver), answer.approver)
    if len(people) >= policy.approvers:
        return Standing.APPROVED, "approved by " + " and ".join(
            people.values()
        ) if people else "no approval is needed"
    missing = policy.approvers - len(people)
    return Standing.WAITING, f"{missing} of {policy.approvers} approvals missing"


def same_person(one: str, other: str) -> bool:
    """Whether two typed names are one person's, however they are spelt: case, spaces, width and marks."""
    return _spelt(one) == _spelt(other)


def _spelt(name: str) -> str:
    visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(visible.split()).casefold())


def _needs(policy: Policy) -> str:
    return "nobody's approval" if policy is Policy.AUTOMATIC else policy.value
