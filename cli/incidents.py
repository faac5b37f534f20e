"""`backstop incidents`: what happened, newest first."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from cli import reading
from cli.failures import WrongUsage
from cli.names import suggestion
from cli.options import AsJson, EnvironmentFilter, command
from cli.printing import clock, coloured, console, duration, print_json, table
from ledger.database import open_ledger
from ledger.incidents import listed
from ledger.models import IncidentRow
from rules.outcomes import Ending

app = command(
    "incidents",
    "incidents",
    "incidents --open",
    "incidents --environment prod --ending 'not recovered'",
    "incidents --most 500 --json",
)


@app.default
def incidents(
    *,
    environment: EnvironmentFilter = None,
    scenario: Annotated[str | None, Parameter(name=["--scenario", "-s"])] = None,
    open_only: Annotated[bool, Parameter(name="--open")] = False,
    ending: str | None = None,
    most: Annotated[int, Parameter(name=["--most", "-n"], validator=Number(gte=1, lte=10_000))] = 20,
    as_json: AsJson = False,
) -> int:
    """List incidents, newest first.

    Args:
        environment: Only this environment.
        scenario: Only this scenario.
        open_only: Only those that have not ended: somebody may be waiting.
        ending: Only those that ended so, for instance `recovered` or `not recovered`.
        most: How many at most.
        as_json: Print JSON.
    """
    if ending is not None:
        ending = _ending(ending)
    ledger = open_ledger()
    with ledger.reading() as session:
        rows = listed(session, environment=environment, open_only=open_only, most=10_000)
    fitting = [row for row in rows if scenario in (None, row.scenario) and ending in (None, row.ending)][
        :most
    ]
    if as_json:
        print_json([reading.summary(row) for row in fitting])
    elif fitting:
        table(
            "",
            ("incident", "opened (UTC)", "environment", "scenario", "ending", "took", "why"),
            [_line(row) for row in fitting],
        )
    else:
        console().print("No open incident." if open_only else "No incident.")
    return 0


def _line(row: IncidentRow) -> tuple[str, ...]:
    ending = coloured(row.ending) if row.ending else f"{coloured('open')} ({row.phase})"
    why = row.ending_reason if len(row.ending_reason) <= 90 else row.ending_reason[:89] + "…"
    return (
        row.id,
        clock(row.opened_at),
        row.environment,
        row.scenario,
        ending,
        duration(reading.took(row)),
        why.replace("[", "\\["),
    )


def _ending(typed: str) -> str:
    wanted = typed.replace("-", " ").replace("_", " ").lower()
    known = [ending.value for ending in Ending]
    if wanted not in known:
        raise WrongUsage(f"There is no ending {typed!r}.{suggestion(wanted, known)}", hint="See `--help`.")
    return wanted
