"""What a runbook promises of each scenario: how bad it is, whether it recovers by itself, within what time.

Source: runbook 001 «Quick Reference» and «Escalation Matrix», 000 «Quick Reference», 004 «RTO»; where these name
no time or are silent, ours, and said so.
"""

from __future__ import annotations

from rules.severity import Severity, Situation
from rules.values import Frozen


class Promise(Frozen):
    """A scenario's row. `seconds` is what an incident of it is measured by."""

    severity: Severity
    seconds: float
    automatic: bool | None = None
    """The runbook's «Auto-Rollback?»; None where it says N/A or nothing."""
    situation: Situation | None = None
    """The row of the escalation matrix it begins in, where that is worse than its environment's tier alone says."""
    ours: str = ""
    """Why a figure is ours and not the runbook's."""


_NO_TIME = "the runbook names no time"
_NO_ROW = "the runbook has no row for it"

PROMISES: dict[str, Promise] = {
    "dev-test-failure": Promise(severity=Severity.LOW, seconds=300, ours=_NO_TIME),
    "preprod-terraform-failure": Promise(
        severity=Severity.MEDIUM, seconds=600, automatic=False, ours=_NO_TIME
    ),
    "preprod-test-failure": Promise(severity=Severity.MEDIUM, seconds=1800, automatic=False, ours=_NO_TIME),
    "production-deploy-failure": Promise(severity=Severity.HIGH, seconds=600, automatic=True),
    "canary-failure": Promise(severity=Severity.CRITICAL, seconds=300, automatic=True),
    "rollback-failure": Promise(
        severity=Severity.CRITICAL,
        seconds=1800,
        automatic=False,
        situation=Situation.NOT_ROLLED_BACK,
        ours=_NO_TIME,
    ),
    "stale-terraform-lock": Promise(severity=Severity.MEDIUM, seconds=300, ours=_NO_ROW),
    "stuck-alarm": Promise(severity=Severity.MEDIUM, seconds=600, ours=_NO_ROW),
    "stuck-workflow": Promise(severity=Severity.MEDIUM, seconds=600, ours=_NO_ROW),
    "hung-process": Promise(severity=Severity.LOW, seconds=300, ours=_NO_TIME),
    "test-run-failure": Promise(severity=Severity.LOW, seconds=600, ours=_NO_TIME),
    "log-throttling": Promise(severity=Severity.LOW, seconds=600, ours=_NO_TIME),
    "production-misfire": Promise(
        severity=Severity.HIGH, seconds=300, situation=Situation.PRODUCTION_TOUCHED, ours=_NO_TIME
    ),
    "exposed-credentials": Promise(
        severity=Severity.HIGH,
        seconds=900,
        automatic=False,
        situation=Situation.PRODUCTION_TOUCHED,
        ours=_NO_TIME,
    ),
    "exposed-personal-data": Promise(
        severity=Severity.HIGH,
        seconds=900,
        automatic=False,
        situation=Situation.PRODUCTION_TOUCHED,
        ours=_NO_TIME,
    ),
    "wrong-queue-publish": Promise(
        severity=Severity.MEDIUM,
        seconds=600,
        automatic=False,
        situation=Situation.WRONG_PLACE,
        ours=_NO_TIME,
    ),
    "redis-corruption": Promise(severity=Severity.CRITICAL, seconds=120, situation=Situation.DATA_CORRUPT),
    "stack-rollback": Promise(severity=Severity.CRITICAL, seconds=120, automatic=True),
    "emergency-stop": Promise(severity=Severity.CRITICAL, seconds=60),
    "gateway-configuration-error": Promise(severity=Severity.HIGH, seconds=120),
    "network-failure": Promise(severity=Severity.HIGH, seconds=120),
    "resource-exhaustion": Promise(severity=Severity.HIGH, seconds=120),
    "container-start-failure": Promise(severity=Severity.HIGH, seconds=120),
    "unreadable-secret": Promise(severity=Severity.HIGH, seconds=300, ours=_NO_ROW),
}
