"""A report over 100,000 rows of the ledger: every incident with its plan, steps and timeline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from statistics import median

from benchmarks.figures import Figure
from benchmarks.practice import own_home

INCIDENTS, STEPS, ENTRIES, ROUNDS = 4_000, 8, 15, 5
ROWS = INCIDENTS * (1 + 1 + STEPS + ENTRIES)
BEFORE, LIMIT = date(2026, 3, 1), 2.0
SCENARIOS = ("canary-failure", "production-deploy-failure", "stack-rollback", "redis-corruption")


def measure() -> Iterator[Figure]:
    """Fill a ledger, then report of the month it happened in."""
    from flows.report import report
    from ledger.database import forget_opened
    from rules.report_periods import Period

    with own_home():
        _fill()
        counted, taken = 0, list[float]()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            counted = report.fn(Period.MONTH, BEFORE).incidents
            taken.append(time.perf_counter() - began)
        forget_opened()
    yield Figure.exactly("incidents counted", counted, "", INCIDENTS)
    yield Figure.raw("rows of the ledger", ROWS, "")
    yield Figure.at_most("a month's report", median(taken), "s", LIMIT)


def _fill() -> None:
    from sqlalchemy import insert

    from ledger.database import open_ledger
    from ledger.models import IncidentRow, PlanRow, StepRow, TimelineRow
    from rules.outcomes import Ending

    opened = datetime(2026, 2, 1, tzinfo=UTC)
    incidents, plans, steps, entries = [], [], [], []
    for number in range(INCIDENTS):
        name, at = f"inc-{number:06d}", opened + timedelta(minutes=10 * number)
        incidents.append(
            {"id": name, "scenario": SCENARIOS[number % 4], "environment": f"prod-{number % 5}",
             "tier": "production", "opened_at": at, "closed_at": at + timedelta(seconds=20 + number % 90),
             "ending": (Ending.NOT_RECOVERED if number % 40 == 0 else Ending.RECOVERED).value,
             "seconds": {"detect": 1.0, "decide": 0.5, "act": 9.0 + number % 70, "verify": 4.0},
             "parameters": {"preserve_data": "true", "scope": "configuration", "force": "false"}}
        )  # fmt: skip
        plans.append(
            {"incident_id": name, "rung": "terraform", "digest": f"{number:064d}", "state": "verified",
             "body": {"target": "a", "destructiveness": "reversible"}, "pinned_at": at}
        )  # fmt: skip
        steps += [
            {"incident_id": name, "fence": 1, "phase": "act", "action": "set_function_code",
             "subject": f"function-{each}", "intent_at": at, "result_at": at, "result": "changed"}
            for each in range(STEPS)
        ]  # fmt: skip
        entries += [
            {"incident_id": name, "number": each, "at": at, "phase": "act", "kind": "step", "text": "done",
             "previous": "0" * 64, "hash": f"{number * ENTRIES + each:064d}"}
            for each in range(ENTRIES)
        ]  # fmt: skip
    with open_ledger().session() as session:
        for row, values in (
            (IncidentRow, incidents), (PlanRow, plans), (StepRow, steps), (TimelineRow, entries),
        ):  # fmt: skip
            session.execute(insert(row), values)
