"""The facts of the story: a canary that failed in prod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rules.outcomes import Check, Finding, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Severity

OPENED = datetime(2026, 11, 21, 3, 12, 7, 120_000, tzinfo=UTC)
INCIDENT = "inc-20261121-0312-k7qd2m"
GOOD, BAD = "4f0c9e1d7ab2", "b81d22e90c5f"
FUNCTIONS = ("ingestion", "analysis", "dashboard")


def at(seconds: float) -> datetime:
    """A time, in seconds after the opening."""
    return OPENED + timedelta(seconds=seconds)


def finding() -> Finding:
    """What detection saw: the dashboard answers 500."""
    health = Verification.of(
        [
            Check(
                name="health of prod-sentiment-dashboard",
                verdict=Verdict.FAIL,
                wanted="200",
                seen="500",
                reason="answered 500: table prod-sentiment-itmes not found",
            ),
            Check(
                name="health of prod-sentiment-analysis",
                verdict=Verdict.PASS,
                wanted="200",
                seen="200",
                reason="answered 200 in 41 ms",
            ),
            Check(
                name="alarm prod-sentiment-dashboard-errors",
                verdict=Verdict.FAIL,
                wanted="OK",
                seen="ALARM",
                reason="is in ALARM since 03:11:52",
            ),
            Check(
                name="alarm prod-sentiment-canary",
                verdict=Verdict.INCONCLUSIVE,
                wanted="OK",
                seen="INSUFFICIENT_DATA",
                reason="has no data; that is not green",
            ),
        ]
    )
    return Finding(
        health=health,
        severity=Severity.CRITICAL,
        summary="the dashboard answers 500 and 1 of 2 alarms is firing",
    )


def plan(rung: str = "terraform") -> Plan:
    """Back to the last release that was proven good."""
    changes = [Change(subject=f"prod-sentiment-{name}", before=BAD, after=GOOD) for name in FUNCTIONS]
    return Plan(
        scenario="canary-failure",
        environment="prod",
        rung=rung,
        target=GOOD,
        title=f"Return prod to release {GOOD} by {'Terraform' if rung == 'terraform' else 'direct update'}",
        changes=(
            *changes,
            Change(subject="alias prod-sentiment-dashboard:live", before="7", after="6", kind="alias"),
        ),
        expected=(
            "live code hash of 3 functions = the target's packages",
            "a plan without changes and without drift",
            "3 health passes in a row",
            "no alarm in ALARM or without data for 60 s",
        ),
        facts={"package:dashboard": "dashboard/lambda-4f0c9e1d7ab2.zip", "infrastructure": "commit 4f0c9e1"},
        reasons=(
            f"{BAD} is running and broken: never a target",
            "77aa0c31f2d4 was deployed on 2026-11-19 but never proven",
            f"{GOOD} was proven good on 2026-11-18 14:02 UTC, 9 of 9 checks",
            "its 3 packages exist and their hashes are the recorded ones",
        ),
    )
