"""The two matrices of runbook 001, row by row, as it prints them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from rules.escalation import RESPONSES, Level, page_at_once, schedule, situation
from rules.outcomes import Ending
from rules.promises import PROMISES
from rules.severity import Severity, Situation, Tier

QUICK_REFERENCE = """
| Dev tests fail | LOW | N/A | Fix code, push again |
| Preprod deploy fail | MEDIUM | No | Revert commit OR fix Terraform |
| Preprod tests fail | MEDIUM | No | Revert commit OR fix code |
| Prod deploy fail | **HIGH** | Yes | 5-10 minutes (automatic) |
| Canary fail | **CRITICAL** | Yes | 5 minutes (automatic) |
| Rollback fail | **CRITICAL** | No | Manual intervention required |
"""
SCENARIOS = {
    "Dev tests fail": "dev-test-failure",
    "Preprod deploy fail": "preprod-terraform-failure",
    "Preprod tests fail": "preprod-test-failure",
    "Prod deploy fail": "production-deploy-failure",
    "Canary fail": "canary-failure",
    "Rollback fail": "rollback-failure",
}
ESCALATION_MATRIX = """
| Dev tests fail | Best effort | Developer fixes |
| Preprod fail | 1 hour | DevOps team |
| Prod fail (auto-rollback works) | 15 minutes | On-call engineer |
| Prod fail (auto-rollback fails) | **IMMEDIATE** | Page senior engineer |
| Data corruption | **IMMEDIATE** | CTO + senior engineer |
"""
SITUATIONS = {
    "Dev tests fail": (Tier.DEVELOPMENT, "dev-test-failure", Ending.NOT_RECOVERED),
    "Preprod fail": (Tier.PREPROD, "preprod-terraform-failure", Ending.NOT_RECOVERED),
    "Prod fail (auto-rollback works)": (Tier.PRODUCTION, "canary-failure", Ending.RECOVERED),
    "Prod fail (auto-rollback fails)": (Tier.PRODUCTION, "canary-failure", Ending.NOT_RECOVERED),
    "Data corruption": (Tier.PRODUCTION, "", None),
}
SECONDS = {"Best effort": None, "1 hour": 3600, "15 minutes": 900, "IMMEDIATE": 0}
OPENED = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
PATH = [Level(name=name, after_seconds=7200) for name in ("on-call", "senior", "CTO")]


def rows(table: str) -> list[list[str]]:
    """The cells of a Markdown table, without emphasis."""
    return [
        [cell.strip().strip("*") for cell in line.strip("| ").split("|")]
        for line in table.strip().splitlines()
    ]


@pytest.mark.parametrize(("failure", "severity", "automatic", "recovery"), rows(QUICK_REFERENCE))
def test_quick_reference(failure: str, severity: str, automatic: str, recovery: str) -> None:
    """Severity, whether it is rolled back by itself, and the longest time that the row promises."""
    promise = PROMISES[SCENARIOS[failure]]

    assert promise.severity.value == severity.lower()
    assert promise.automatic is {"Yes": True, "No": False, "N/A": None}[automatic]
    minutes = re.match(r"(?:\d+-)?(\d+) minutes", recovery)
    assert bool(promise.ours) is not bool(minutes)
    if minutes:
        assert promise.seconds == 60 * int(minutes[1])


@pytest.mark.parametrize(("failure", "within", "who"), rows(ESCALATION_MATRIX))
def test_escalation_matrix(failure: str, within: str, who: str) -> None:
    """Each situation falls into its row, and somebody is due within the row's time."""
    tier, scenario, ending = SITUATIONS[failure]
    found = PROMISES[scenario].situation if scenario else Situation.DATA_CORRUPT
    response = RESPONSES[situation(tier, ending, found)]

    assert response.seconds == SECONDS[within]
    for word in who.replace("Developer fixes", "developer").replace("Page ", "").split(" + "):
        assert word.lower() in response.who.lower()
    if response.seconds is not None and ending is not Ending.NOT_RECOVERED:
        first = schedule(Severity.CRITICAL, tier, OPENED, PATH, found)[0]
        assert first.at == OPENED + timedelta(seconds=response.seconds)


def test_a_failed_rollback_pages_at_once() -> None:
    """In production the on-call and the senior engineer are due at the opening, the next at their own time."""
    promise = PROMISES["rollback-failure"]
    due = schedule(promise.severity, Tier.PRODUCTION, OPENED, PATH, promise.situation)

    assert [each.name for each in due if each.at == OPENED] == ["on-call", "senior"]
    assert due[2].at == OPENED + timedelta(hours=2)


@pytest.mark.parametrize(("tier", "names"), [(Tier.PRODUCTION, ["on-call", "senior", "CTO"]), (Tier.QA, [])])
def test_corrupt_data_pages_everybody_at_once(tier: Tier, names: list[str]) -> None:
    """All are due at the opening, and at a bad ending all are paged, as far as the tier reaches."""
    due = schedule(Severity.HIGH, tier, OPENED, PATH, Situation.DATA_CORRUPT)
    paged = page_at_once(Ending.NOT_RECOVERED, Severity.HIGH, tier, len(PATH), Situation.DATA_CORRUPT)

    assert [each.name for each in due if each.at == OPENED] == names
    assert len(paged) == len(names)


def test_a_recovery_under_way_pages_nobody_at_once() -> None:
    """While production is being rolled back, the path's own times count, within the matrix's 15 minutes."""
    soon = [Level(name="on-call", after_seconds=300), *PATH]

    assert schedule(Severity.CRITICAL, Tier.PRODUCTION, OPENED, soon)[0].at == OPENED + timedelta(minutes=5)


LEVELS_OF_RUNBOOK_000 = """
| Level 1 | test failures, minor issues | test-run-failure, hung-process, log-throttling | nobody |
| Level 2 | wrong environment, data issues | wrong-queue-publish | lead, on-call |
| Level 3 | production impact, security | production-misfire, exposed-credentials, exposed-personal-data | all |
"""
KIT_PATH = [Level(name=name, after_seconds=7200) for name in ("lead", "on-call", "commander", "security")]


@pytest.mark.parametrize(("level", "what", "scenarios", "woken"), rows(LEVELS_OF_RUNBOOK_000))
def test_escalation_path_of_runbook_000(level: str, what: str, scenarios: str, woken: str) -> None:
    """In qa itself: level 1 helps itself, level 2 wakes lead and on-call, level 3 everybody at the opening."""
    everybody = [each.name for each in KIT_PATH]
    wanted = everybody if woken == "all" else [name for name in woken.split(", ") if name != "nobody"]
    for scenario in scenarios.split(", "):
        promise = PROMISES[scenario]
        due = schedule(promise.severity, Tier.QA, OPENED, KIT_PATH, promise.situation)

        assert [each.name for each in due] == wanted, scenario
        within = {"Level 1": None, "Level 2": 900, "Level 3": 0}[level]
        assert RESPONSES[situation(Tier.QA, None, promise.situation)].seconds == within
        assert all(each.at == OPENED for each in due) is (within != 900)
        paged = page_at_once(
            Ending.NOT_RECOVERED, promise.severity, Tier.QA, len(KIT_PATH), promise.situation
        )
        assert len(paged) == len(wanted)
