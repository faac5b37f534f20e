"""What many drills say together: how often the promise was kept, of those that say anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rules.outcomes import Verdict
from rules.track_records import Share, share
from rules.values import Frozen


class PastDrill(Frozen):
    """One drill that has ended."""

    environment: str
    scenario: str
    grade: Verdict


class DrillRecord(Frozen):
    """The drills of one scenario in one environment."""

    environment: str
    scenario: str
    passed: Share
    """Of those that passed or failed."""
    inconclusive: int


def drill_records(past: Iterable[PastDrill]) -> list[DrillRecord]:
    """One record for each scenario in each environment, in order."""
    grouped: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for each in past:
        grouped[each.environment, each.scenario].append(each.grade)
    return [
        DrillRecord(environment=place, scenario=scenario, passed=passed_share(grades), inconclusive=unsure)
        for (place, scenario), grades in sorted(grouped.items())
        for unsure in [grades.count(Verdict.INCONCLUSIVE)]
    ]


def passed_share(grades: Iterable[Verdict]) -> Share:
    """Passed ones, of those that passed or failed: an inconclusive one says nothing."""
    told = [grade for grade in grades if grade is not Verdict.INCONCLUSIVE]
    return share(told.count(Verdict.PASS), len(told))


def passed_total(records: Iterable[DrillRecord]) -> Share:
    """Passed ones of several records together."""
    told = [each.passed for each in records]
    return share(sum(each.good for each in told), sum(each.of for each in told))
