"""The rule language of composite alarms."""

from __future__ import annotations

import pytest

from sandbox.alarm_rules import is_true

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('ALARM("a")', True),
        ("ALARM(b)", False),
        ('ALARM("b") OR ALARM("a")', True),
        ('ALARM("a") AND OK("c")', False),
        ('ALARM("a") AND (OK("b") AND INSUFFICIENT_DATA("c"))', True),
        ('NOT ALARM("a") OR NOT (OK("b") OR FALSE)', False),
        ('ALARM("b") OR ALARM("a") AND OK("b")', True),
        ('INSUFFICIENT_DATA("unknown")', True),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_rules_hold_as_cloudwatch_defines_them(rule: str, expected: bool) -> None:
    """AND binds closer than OR, NOT closest; an unknown alarm has no data."""
    assert is_true(rule, STATES) is expected


@pytest.mark.parametrize(
    "rule", ["", "ALARM(", 'ALARM("a") OR', '(ALARM("a")', 'ALARM("a") ALARM("b")', "MAYBE(a)"]
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    """A rule that cannot be read is an error, not false."""
    with pytest.raises(ValueError, match=r"not understood|too early|not closed"):
        is_true(rule, STATES)
