"""Access keys and other secrets that came to light: whose they are, what is dead, what a lost answer left behind.

Source: runbook 000 «Credentials Exposed in Artifacts».
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from enum import StrEnum

from rules.errors import NoWayBack
from rules.findings import Finding
from rules.outcomes import Check, Verdict
from rules.values import Frozen

MOST_KEYS = 2
"""That IAM lets a user have."""

PERSONS_WORK = {
    "github-token": "revoke it on GitHub (Settings, Developer settings, Tokens), or end the GitHub App's installation",
    "gitlab-token": "revoke it in GitLab (Preferences, Access tokens)",
    "slack-token": "revoke it with Slack's `auth.revoke`, then install the app again",
    "stripe-key": "roll it in Stripe's dashboard (Developers, API keys)",
    "private-key": "take its public half out of every place that trusts it, and have its certificates revoked",
    "jwt": "let it expire, or change the key that it was signed with",
    "aws-token": "attach a policy to the role that denies sessions from before now (AWSRevokeOlderSessions)",
    "password": "change it where it is used, and end its sessions",
    "webhook-url": "make a new address in the service, and delete this one",
}
"""What somebody has to do about a kind of secret that is not ours to change."""


class Answer(StrEnum):
    """What AWS says to a call with a key."""

    REFUSED = "the key is unknown or inactive"
    ACCEPTED = "the key is accepted"
    UNCLEAR = "no clear answer"


class KeyFacts(Frozen):
    """One access key of a user."""

    reference: str
    active: bool
    was_used: bool = False


class ExposedKey(Frozen):
    """An access key that was found, without its id."""

    reference: str
    account: str = ""
    """As the id itself says; empty where it does not."""
    user: str = ""
    """Empty: none of the environment's account."""
    active: bool = False
    is_temporary: bool = False


def key_reference(key_id: str) -> str:
    """How a key is spoken of where its id must not stand: `AKIA…MPL7`."""
    return f"{key_id[:4]}…{key_id[-4:]}"


def account_of(key_id: str) -> str:
    """The account that an access key's id holds (ids since 2019); empty where it holds none."""
    try:
        packed = base64.b32decode(key_id[4:20])[:6]
    except (binascii.Error, ValueError):
        return ""
    number = (int.from_bytes(packed, "big") & 0x7FFFFFFFFF80) >> 7
    return f"{number:012}" if key_id[4:5] >= "Q" and number < 10**12 else ""


def the_key(keys: Sequence[str], reference: str) -> str:
    """The one id that a reference stands for; empty when it is gone.

    Raises:
        NoWayBack: two ids end alike.
    """
    found = [key for key in keys if key_reference(key) == reference]
    if len(found) > 1:
        raise NoWayBack(
            f"Two access keys of the user are both {reference}.", hint="Deactivate the exposed one by hand."
        )
    return found[0] if found else ""


def left_by_a_lost_answer(keys: Iterable[KeyFacts], before: Sequence[str], stored: str) -> list[KeyFacts]:
    """Keys that we made and whose secret nobody has: new since the plan, never used, and not the one in the store.

    `before` are the keys that the user had when the plan was made.
    """
    return [
        key for key in keys if key.reference not in before and key.reference != stored and not key.was_used
    ]


def judge_death(key: ExposedKey, facts: KeyFacts | None, answer: Answer) -> Check:
    """Whether an exposed key is dead: IAM's word and a call have to agree."""
    name, wanted = f"access key {key.reference} of {key.user}", "dead"

    def told(verdict: Verdict, reason: str) -> Check:
        return Check(name=name, verdict=verdict, reason=reason, wanted=wanted)

    if facts is not None and facts.active:
        return told(Verdict.FAIL, "IAM says that it is active")
    if answer is Answer.ACCEPTED:
        return told(Verdict.FAIL, "IAM says that it is inactive, and a call with it is still accepted")
    if answer is Answer.UNCLEAR:
        return told(
            Verdict.INCONCLUSIVE, "IAM says that it is inactive; a call to prove it got no clear answer"
        )
    state = "gone" if facts is None else "inactive"
    return told(Verdict.PASS, f"it is {state}, and calls with it are refused")


def judge_stored(secret: str, answer: Answer) -> Check:
    """Whether the key in the store is one that AWS accepts."""
    verdict = {Answer.ACCEPTED: Verdict.PASS, Answer.REFUSED: Verdict.FAIL}.get(answer, Verdict.INCONCLUSIVE)
    return Check(name=f"key in {secret}", verdict=verdict, reason=answer.value, wanted=Answer.ACCEPTED.value)


def judge_restart(function: str, restarted_for: str, reference: str) -> Check:
    """Whether a function began anew after the key was replaced."""
    fresh = restarted_for == reference
    reason = f"it began anew for {reference}" if fresh else "it may still run with the old key"
    return Check(name=function, verdict=Verdict.PASS if fresh else Verdict.FAIL, reason=reason)


def persons_work(findings: Iterable[Finding], keys: Iterable[ExposedKey]) -> tuple[str, ...]:
    """What only a person can do, one sentence a kind."""
    kinds = {finding.kind for finding in findings} - {"aws-key-id", "aws-secret-key"}
    told = [f"{kind} – {PERSONS_WORK.get(kind, PERSONS_WORK['password'])}" for kind in sorted(kinds)]
    for key in keys:
        if key.is_temporary:
            told.append(f"{key.reference} is temporary: {PERSONS_WORK['aws-token']}")
        elif not key.user:
            whose = f"account {key.account}" if key.account else "another account"
            told.append(f"{key.reference} belongs to {whose}: tell its owner to deactivate it at once")
    return tuple(told)
