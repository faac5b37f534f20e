"""`backstop stop-lever`: while it is pulled nothing acts, in one environment or everywhere."""

from __future__ import annotations

import getpass
from typing import Annotated

from cyclopts import App, Parameter
from sqlalchemy import select

from cli.names import environment_name
from cli.options import AsJson
from cli.printing import clock, console, print_json, table
from ledger import levers
from ledger.cases import now
from ledger.database import open_ledger
from ledger.models import LeverRow

Scope = Annotated[
    str | None,
    Parameter(name=["--environment", "-e"], help="Only this environment; without it everywhere."),
]

app = App(
    name="stop-lever",
    help_epilogue="Examples:\n  backstop stop-lever on --reason 'network maintenance'\n"
    "  backstop stop-lever off\n  backstop stop-lever status --json\n\n"
    "A run that is acting already stops before its next step.",
    help_format="plaintext",
)


@app.command
def on(*, reason: str, environment: Scope = None, by: str | None = None) -> int:
    """Stop all acting.

    Args:
        reason: Why; everybody who is refused reads it.
        environment: Only this environment; without it everywhere.
        by: Who stops it; default: the user of this terminal.
    """
    scope = environment_name(environment) if environment else levers.EVERYWHERE
    with open_ledger().session("pull the stop lever") as session:
        levers.pull(session, scope, by or getpass.getuser(), reason, now())
    console().print(f"Nothing acts in {_told(scope)} until `backstop stop-lever off`.")
    return 0


@app.command
def off(*, environment: Scope = None) -> int:
    """Allow acting again.

    Args:
        environment: Only this environment; without it everywhere.
    """
    scope = environment or levers.EVERYWHERE
    with open_ledger().session("let the stop lever go") as session:
        was_on = levers.let_go(session, scope)
    console().print(f"Acting is allowed again in {_told(scope)}." if was_on else "It was not pulled.")
    return status()


@app.command
def status(*, as_json: AsJson = False) -> int:
    """Say what is stopped, by whom and why.

    Args:
        as_json: Print JSON.
    """
    with open_ledger().reading() as session:
        rows = list(session.scalars(select(LeverRow).order_by(LeverRow.scope)))
    if as_json:
        print_json(
            [
                {"scope": r.scope, "by": r.stopped_by, "reason": r.reason, "since": r.stopped_at.isoformat()}
                for r in rows
            ]
        )
    elif rows:
        told = [(_told(row.scope), clock(row.stopped_at), row.stopped_by, row.reason) for row in rows]
        table("", ("stopped", "since (UTC)", "by", "because"), told)
    else:
        console().print("Nothing is stopped.")
    return 0


def _told(scope: str) -> str:
    return "every environment" if scope == levers.EVERYWHERE else scope
