"""Incidents, holders and plans that the ledger's tests start from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledger.cases import Case
from ledger.database import Ledger
from ledger.holders import Holder, this_process
from ledger.incidents import Opening, open_case
from rules.outcomes import Check, Finding, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Severity

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NO_SUCH_PID = 2**22 + 1
"""Above the largest pid Linux gives out."""


def opening(
    scenario: str = "canary-failure", environment: str = "prod", *, rehearsal: bool = False
) -> Opening:
    """What is known when an incident is opened."""
    return Opening(scenario, environment, "production", 300, rehearsal=rehearsal)


def opened(ledger: Ledger, holder: Holder | None = None, seconds: float = 30) -> Case:
    """Open the usual incident, or take it over."""
    return open_case(ledger, opening(), holder or this_process(), seconds)


def dead() -> Holder:
    """A process of this machine that is no more."""
    return this_process().model_copy(update={"pid": NO_SUCH_PID})


def elsewhere() -> Holder:
    """A process of another machine: nobody here can tell whether it lives."""
    return this_process().model_copy(update={"host": "another-host"})


def plan(rung: str = "terraform", after: str = "good") -> Plan:
    """One decided rung."""
    change = Change(subject="function one", before="bad", after=after)
    return Plan(
        scenario="canary-failure",
        environment="prod",
        rung=rung,
        title="Go back",
        target=after,
        changes=(change,),
    )


def broken() -> Finding:
    """What detection says of a broken environment."""
    health = Verification.of([Check(name="health", verdict=Verdict.FAIL, reason="answers 500")])
    return Finding(health=health, severity=Severity.HIGH, summary="the health check fails")
