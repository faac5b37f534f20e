"""Whether a kit is set up to touch only what it is meant to touch."""

from __future__ import annotations

import pytest

from rules.kit_settings import (
    NEEDED_REDACTION,
    Place,
    judge_account,
    judge_blocked,
    judge_committed,
    judge_locks,
    judge_mode,
    judge_out,
    judge_queue_setting,
    judge_redaction,
    moment,
    read_settings,
)
from rules.outcomes import Verdict

BASE = "https://sqs.eu-west-1.amazonaws.com/123456789012"
RIGHT = f"{BASE}/qa-orders"
PLACE = Place(
    name="qa",
    account_id="123456789012",
    region="eu-west-1",
    targets=(RIGHT,),
    blocked_accounts=("999999999999",),
)


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ("", "not set"),
        ("qa-orders", "no address"),
        ("https://sqs.eu-west-1.amazonaws.com/999999999999/qa-orders", "must never act"),
        ("https://sqs.eu-west-1.amazonaws.com/222222222222/qa-orders", "is in account 222222222222"),
        ("https://sqs.us-east-1.amazonaws.com/123456789012/qa-orders", "is in region us-east-1"),
        (f"{BASE}/prod-orders", "sounds like production"),
        (f"{BASE}/qa-billing", "do not publish to qa-billing"),
    ],
)
def test_a_wrong_queue_is_refused_and_the_right_one_offered(configured: str, told: str) -> None:
    """Unset, malformed, another account, region, tier or queue."""
    check = judge_queue_setting("QUEUE", configured, PLACE)

    assert check.verdict is Verdict.FAIL
    assert told in check.reason
    assert f"set QUEUE={RIGHT}" in check.reason


def test_the_right_queue_passes() -> None:
    """On AWS and on a stand-in, whose address names no region."""
    assert judge_queue_setting("QUEUE", RIGHT, PLACE).verdict is Verdict.PASS
    local = "http://127.0.0.1:4566/123456789012/qa-orders"
    there = PLACE.model_copy(update={"targets": (local,)})
    assert judge_queue_setting("QUEUE", local, there).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("configured", "seen", "verdict"),
    [
        ("123456789012", "123456789012", Verdict.PASS),
        ("", "123456789012", Verdict.INCONCLUSIVE),
        ("222222222222", "123456789012", Verdict.FAIL),
        ("123456789012", "222222222222", Verdict.FAIL),
        ("999999999999", "999999999999", Verdict.FAIL),
    ],
)
def test_the_account(configured: str, seen: str, verdict: Verdict) -> None:
    """The credentials decide; what the kit believes must agree."""
    assert judge_account("ACCOUNT", configured, seen, PLACE).verdict is verdict


def test_redaction_names_what_is_missing() -> None:
    """The right value keeps what is there."""
    assert judge_redaction("KEYS", ",".join(NEEDED_REDACTION)).verdict is Verdict.PASS
    check = judge_redaction("KEYS", "token, password")
    assert check.verdict is Verdict.FAIL
    assert set(check.wanted.split(",")) == {"token", *NEEDED_REDACTION}


def test_the_other_lines() -> None:
    """Each passes and fails on what it is about."""
    assert judge_mode("MODE", "live").verdict is Verdict.PASS
    assert judge_mode("MODE", "").verdict is Verdict.FAIL
    assert judge_committed(".env", None).verdict is Verdict.PASS
    assert judge_committed(".env", ()).verdict is Verdict.PASS
    assert "and 1 more" in judge_committed(".env", (".env", ".env.old")).reason
    assert judge_out("run-2", taken=False).verdict is Verdict.PASS
    assert judge_out("run-2", taken=True).verdict is Verdict.FAIL
    assert judge_out("", taken=False).verdict is Verdict.INCONCLUSIVE
    assert judge_locks({}).verdict is Verdict.PASS
    assert "hung-process" in judge_locks({"run-1": False}).reason
    assert "wait for it" in judge_locks({"run-1": True}).reason


def test_settings_are_read_as_shells_write_them() -> None:
    """Comments, quotes, `export`, and an equals sign in the value."""
    text = "# A=1\nexport B='two'\nC = \"x=y\"\n\nnonsense\n"
    assert read_settings(text) == {"B": "two", "C": "x=y"}


def test_moments_are_utc() -> None:
    """With a zone or without; what is none is told as such."""
    assert moment("2026-11-28T03:00") == moment("2026-11-28T04:00+01:00")
    assert moment("yesterday") is None


@pytest.mark.parametrize(
    ("configured", "passes"),
    [("999999999999", True), ("111111111111, 999999999999", True), ("111111111111", False), ("", False)],
)
def test_the_kit_refuses_what_is_blocked_by_itself(configured: str, passes: bool) -> None:
    """Each blocked account is on its own list; the setting that is missing is offered, nothing is dropped."""
    check = judge_blocked("BLOCKED", configured, PLACE)

    assert (check.verdict is Verdict.PASS) is passes
    if not passes:
        assert check.wanted.endswith("999999999999")
        assert set(configured.split(",")) - {""} <= set(check.wanted.split(","))
