"""The demo's end: what was measured beside what the runbook promises, and what somebody else saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from blocks.settings import settings
from cli.endings import print_seconds
from cli.pipeline import short
from cli.printing import coloured, console
from cli.stages import Stages
from ledger.cases import now
from ledger.database import Ledger
from ledger.models import IncidentRow
from rules.outcomes import EXIT_CODES, Ending, Outcome
from rules.report_periods import Period
from sandbox import reading
from sandbox.world import Sandbox


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of the sandbox, by plain AWS calls and HTTP: nothing of Backstop's."""

    agrees: bool
    said: str


def look(sandbox: Sandbox, environment: str, expected: str) -> Look:
    """Look whether every function of an environment answers well with the expected release, and no alarm is left."""
    seen = reading.read(sandbox.home, environment)
    wrong = [
        f"{name} answers {'well' if function.healthy else 'badly'} with {function.answering_release or 'nothing'}"
        for name, function in seen.functions.items()
        if not function.healthy or function.answering_release != expected
    ]
    wrong += [f"{name} is {state}" for name, state in seen.alarms.items() if state != "OK"]
    functions, alarms = len(seen.functions), len(seen.alarms)
    right = f"{functions} functions answer well with release {short(expected)}, {alarms} alarms are OK"
    return Look(agrees=not wrong, said="; ".join(wrong) or right)


def tell(stages: Stages, outcome: Outcome, seen: Look, ledger: Ledger, ui: str) -> int:
    """Print the tables and addresses; return the exit code."""
    out = console()
    out.print()
    stages.print_where_the_time_went()
    out.print()
    promised = _promised(ledger, outcome.incident)
    print_seconds(outcome, promised)
    out.print(f"Ending         {coloured(outcome.ending.value)}: {outcome.reason}")
    out.print(f"Seen by others {coloured('pass' if seen.agrees else 'fail')}: {seen.said}")
    out.print(f"Report         {outcome.report or 'none was written'}")
    page, command = _track_record()
    out.print(f"All recoveries {page}")
    out.print(f"               every night by itself, and by `{command}`")
    out.print(f"Prefect UI     {ui}")
    if outcome.ending is not Ending.RECOVERED:
        return EXIT_CODES[outcome.ending] or EXIT_CODES[Ending.NOT_RECOVERED]
    return 0 if seen.agrees else EXIT_CODES[Ending.NOT_RECOVERED]


def _track_record() -> tuple[str, str]:
    """The report over all recoveries of today, and the command that writes it."""
    from flows.report import report

    tomorrow = now().date() + timedelta(days=1)
    command = f"BACKSTOP_HOME={settings().home} backstop report --before {tomorrow}"
    return str(report.fn(Period.DAY, tomorrow).page), command


def _promised(ledger: Ledger, incident: str) -> float | None:
    with ledger.reading() as session:
        row = session.get(IncidentRow, incident) if incident else None
        return row.budget_seconds if row else None
