"""Who has to be told when personal data came to light, and by when.

Our table, to be replaced by the organisation's own: the runbook only says «may need to report to compliance». Hours
count from when it was noticed. Sources of the outer limits: GDPR articles 33 and 34; HIPAA 45 CFR 164.404-410; PCI DSS
12.10 and the card brands' rules; US state laws on social security numbers, the strictest of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from rules.values import Frozen


class Duty(Frozen):
    """One party, the kinds of data that concern it, and within how many hours."""

    who: str
    hours: float
    why: str
    kinds: frozenset[str] | None = None
    """None: any personal data."""


DUTIES: tuple[Duty, ...] = (
    Duty(who="the security team", hours=1, why="escalation level 3 of runbook 000"),
    Duty(
        who="the data protection officer or compliance", hours=24, why="they decide whether it is reportable"
    ),
    Duty(
        who="the bank that takes the card payments",
        hours=24,
        why="PCI DSS 12.10: immediately",
        kinds=frozenset({"card"}),
    ),
    Duty(
        who="the data protection authority",
        hours=72,
        why="GDPR article 33, unless a risk to people is unlikely",
    ),
    Duty(
        who="the people concerned",
        hours=72,
        why="GDPR article 34, where the risk is high: without undue delay",
        kinds=frozenset({"health", "ssn", "identity-number", "iban", "bank-account", "card", "birth-date"}),
    ),
    Duty(
        who="the people concerned, in the United States",
        hours=30 * 24,
        why="state laws on social security and identity numbers, the strictest of them",
        kinds=frozenset({"ssn", "identity-number"}),
    ),
    Duty(
        who="the people concerned and the health department, in the United States",
        hours=60 * 24,
        why="HIPAA 45 CFR 164.404 and 164.408",
        kinds=frozenset({"health"}),
    ),
)


def duties(kinds: Iterable[str]) -> tuple[Duty, ...]:
    """Whom data of these kinds concerns, the most urgent first."""
    found = set(kinds)
    concerned = [duty for duty in DUTIES if found and (duty.kinds is None or duty.kinds & found)]
    return tuple(sorted(concerned, key=lambda duty: duty.hours))


def told(duty: Duty, noticed: datetime | None = None) -> str:
    """`the data protection authority within 72 hours, by 2026-11-30 22:47 UTC (GDPR …)`."""
    within = f"{duty.hours:g} hours" if duty.hours < 24 * 7 else f"{duty.hours / 24:g} days"
    by = f", by {noticed + timedelta(hours=duty.hours):%Y-%m-%d %H:%M} UTC" if noticed else ""
    return f"{duty.who} within {within}{by} ({duty.why})"
