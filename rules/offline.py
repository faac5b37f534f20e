"""Taking a service offline: when it is, and how it comes back.

Runbook source: 001, scenario 6, «Escalation»: take production offline if data may be damaged.
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.health import Look
from rules.outcomes import Check, Verdict

CLOSED = 0
"""Reserved concurrency of a function that takes no calls."""

UNRESERVED = "unreserved"


def told(capacity: int | None) -> str:
    """A function's reserved concurrency in words; None: it has none reserved."""
    return UNRESERVED if capacity is None else "no calls" if capacity == CLOSED else f"{capacity} at once"


def spelt(capacity: int | None) -> str:
    """A function's reserved concurrency as a plan keeps it."""
    return UNRESERVED if capacity is None else str(capacity)


def read(text: str) -> int | None:
    """What `spelt` wrote."""
    return None if text == UNRESERVED else int(text)


def judge_open(capacity: Mapping[str, int | None]) -> list[Check]:
    """Whether functions take calls at all; only those that do not are told."""
    return [
        Check(
            name=f"capacity {name}", verdict=Verdict.FAIL, reason="it was taken offline", wanted="takes calls"
        )
        for name, reserved in capacity.items()
        if reserved == CLOSED
    ]


def judge_closed(capacity: Mapping[str, int | None], looks: Mapping[str, Look]) -> list[Check]:
    """Whether nobody is served: every function takes no calls, and no endpoint answers healthy any more."""
    checks = [
        Check(
            name=f"capacity {name}",
            verdict=Verdict.PASS if reserved == CLOSED else Verdict.FAIL,
            reason=f"it takes {told(reserved)}",
            wanted=told(CLOSED),
            seen=told(reserved),
        )
        for name, reserved in capacity.items()
    ]
    turned = {Verdict.PASS: Verdict.FAIL, Verdict.FAIL: Verdict.PASS}
    checks += [
        Check(
            name=f"closed {name}",
            verdict=turned.get(look.verdict, Verdict.INCONCLUSIVE),
            reason=look.reason,
            wanted="serves nobody",
        )
        for name, look in looks.items()
    ]
    return checks
