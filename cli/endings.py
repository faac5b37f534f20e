"""How the end of a recovery is told: a table of seconds per phase, the reason, the report, the exit code."""

from __future__ import annotations

import time
from typing import Any

from rich.markup import escape

from cli.printing import coloured, console, duration, print_json, table
from cli.show import report_path
from ledger.database import Ledger
from ledger.incidents import phase_seconds
from ledger.models import IncidentRow, PlanRow
from rules.outcomes import EXIT_CODES, Ending, Outcome
from rules.plans import Plan

REPORT_SECONDS = 5.0
"""The report is written right after the incident is closed: how long to wait for it."""


def outcome_of(ledger: Ledger, incident_id: str) -> Outcome:
    """The outcome of a closed incident, from the ledger. Waits a moment for its report."""
    with ledger.reading() as session:
        row = session.get_one(IncidentRow, incident_id)
        plan = session.get(PlanRow, row.plan_id) if row.plan_id else None
        seconds = phase_seconds(session, incident_id)
    return Outcome(
        incident=row.id,
        scenario=row.scenario,
        environment=row.environment,
        ending=Ending(row.ending or Ending.NOT_RECOVERED),
        reason=row.ending_reason,
        hint=row.ending_hint,
        plan=Plan.model_validate(plan.body) if plan else None,
        seconds=seconds,
        report=_report(incident_id),
    )


def _report(incident_id: str) -> str:
    give_up = time.monotonic() + REPORT_SECONDS
    while not (path := report_path(incident_id)) and time.monotonic() < give_up:
        time.sleep(0.1)
    return path


def tell(outcome: Outcome, *, promised: float | None = None, as_json: bool = False) -> int:
    """Print how it ended and return the exit code."""
    if as_json:
        told: dict[str, Any] = outcome.model_dump(mode="json")
        print_json(told | {"exit_code": EXIT_CODES[outcome.ending]})
        return EXIT_CODES[outcome.ending]
    out = console()
    out.print()
    if outcome.ending is Ending.REHEARSED and outcome.plan:
        from cli.show import print_plan

        print_plan(outcome.plan.model_dump(mode="json") | {"state": "not acted on"})
    if outcome.seconds:
        print_seconds(outcome, promised)
    out.print(f"{coloured(outcome.ending.value)}: {escape(outcome.reason)}")
    if outcome.hint:
        out.print(escape(f"hint: {outcome.hint}"))
    if outcome.incident:
        out.print(f"incident: {outcome.incident}  (backstop show {outcome.incident})")
    if outcome.report:
        out.print(f"report: {outcome.report}")
    return EXIT_CODES[outcome.ending]


def print_seconds(outcome: Outcome, promised: float | None) -> None:
    """Print the measured seconds of each phase, with the total beside the runbook's promise."""
    rows = [(phase.value, f"{seconds:.2f}", "") for phase, seconds in outcome.seconds.items()]
    total = sum(outcome.seconds.values())
    verdict = (
        ""
        if promised is None
        else f"{promised:.0f} s ({duration(promised)}), "
        + ("kept" if total <= promised else "[red]missed[/]")
    )
    table("", ("phase", "seconds", "the runbook promises"), [*rows, ("in all", f"{total:.2f}", verdict)])
    console().print()
