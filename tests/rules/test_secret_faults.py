"""Why a secret cannot be read, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.outcomes import Verdict
from rules.secret_faults import Fault, SecretFacts, diagnose_secret, judge_secret

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def facts(**changes: Any) -> SecretFacts:
    """A secret that can be read, but for what is said."""
    given: dict[str, Any] = {"name": "prod/key", "exists": True, "readable": True}
    return SecretFacts(**given | changes)


@pytest.mark.parametrize(
    ("changes", "fault", "says"),
    [
        ({}, Fault.NONE, "can be read"),
        ({"changed_at": NOW - timedelta(hours=1)}, Fault.NONE, "read it anew"),
        ({"changed_at": NOW - timedelta(hours=1), "rotates": True}, Fault.NONE, "rotated"),
        ({"exists": False, "readable": None, "similar": ("prod/kee",)}, Fault.MISSING, "prod/kee"),
        ({"exists": False, "readable": None}, Fault.MISSING, "No other name"),
        (
            {"deletion_at": NOW + timedelta(days=6), "readable": None},
            Fault.SCHEDULED_FOR_DELETION,
            "2026-03-07",
        ),
        ({"has_current": False, "readable": None}, Fault.NO_CURRENT_VERSION, "AWSCURRENT"),
        ({"has_current": False, "readable": None, "rotates": True}, Fault.NO_CURRENT_VERSION, "half way"),
        ({"readable": False, "refusal": "needs kms:Decrypt"}, Fault.REFUSED, "kms:Decrypt"),
        ({"readable": None, "refusal": "needs DescribeSecret"}, Fault.REFUSED, "DescribeSecret"),
        ({"readable": None}, Fault.REFUSED, "refused"),
    ],
)
def test_each_fault_is_told_apart(changes: dict[str, Any], fault: Fault, says: str) -> None:
    """Which of them it is, and what to do, in words."""
    seen = facts(**changes)

    found = diagnose_secret(seen, NOW)

    assert found.fault is fault
    assert says in f"{found.reason} {found.hint}"
    assert judge_secret(seen, found).verdict is (Verdict.PASS if fault is Fault.NONE else Verdict.FAIL)
    assert fault in (Fault.NONE, Fault.SCHEDULED_FOR_DELETION) or found.hint


def test_old_news_is_not_told() -> None:
    """A value that was changed days ago explains nothing tonight."""
    assert "anew" not in diagnose_secret(facts(changed_at=NOW - timedelta(days=3)), NOW).reason
