"""`backstop report`: how the recoveries of a day or a month went."""

from __future__ import annotations

import os
from datetime import date
from typing import Annotated, Literal

from cyclopts import Parameter

from cli.failures import WrongUsage
from cli.options import AsJson, command
from cli.printing import console, print_json

app = command("report", "report", "report --period month", "report --period month --before 2026-11-15 --json")


@app.default
def report(
    *,
    period: Annotated[
        Literal["day", "month"], Parameter(help="The last whole day, or the last whole month, UTC.")
    ] = "day",
    before: Annotated[
        str | None, Parameter(help="The last whole period before this day, 2026-11-15.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count how incidents went, beside what the runbooks promise, and write it down as a page and as JSON."""
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    from flows.report import report as write
    from rules.report_periods import Period

    done = write.fn(Period(period), _day(before))
    if as_json:
        print_json({"page": str(done.page), "data": str(done.data), "incidents": done.incidents})
        return
    console().print(f"{done.incidents} incidents are counted.")
    console().print(f"Report: {done.page}", soft_wrap=True)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise WrongUsage(f"{text!r} is no day.", hint="A day is written like 2026-11-15.") from error
