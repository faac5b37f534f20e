"""Report: how the recoveries of a day or a month went, beside what the runbooks promise."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from pydantic import Field

from flows._report import folder, write_page
from flows._track_page import html, markdown
from flows._track_record import read_track_record
from ledger.cases import now
from ledger.database import open_ledger
from rules.report_periods import Period, name_of, span
from rules.values import Frozen
from tasks.kinds import say


class Written(Frozen):
    """Where a report lies, and how many incidents it counts."""

    page: Path
    data: Path
    incidents: int


@flow(name="report", flow_run_name="report of a {period}")
def report(
    period: Annotated[Period, Field(title="Period", description="The last whole one, UTC.")] = Period.DAY,
    before: Annotated[
        date | None,
        Field(title="Before", description="The last whole period before this day; empty: before today."),
    ] = None,
) -> Written:
    """Count how the incidents of a day or a month went, per environment and scenario, and write it down.

    Recovered, refused and false starts; the middle and the slowest time of each phase; how old restored data was; how
    long people took to answer; failed deployments as DORA counts them; and each promise of the runbooks beside what was
    measured, with the range it lies in. Rehearsals are left out. Written again it is the same, but for what is ready
    now.

    Source: runbook 004, «Rollback Success Metrics», «Reporting»; 001, «Quick Reference».

    Args:
        period: The last whole day, or the last whole month.
        before: Its end lies on this day or before; empty: today, UTC.
    """
    since, until = span(period, before or now().date())
    told = read_track_record(open_ledger(), name_of(period, since), since, until)
    page = folder() / f"track-record-{told.name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_page(page, html(told))
    data = page.with_suffix(".json")
    write_page(data, told.model_dump_json(indent=1) + "\n")
    incidents = sum(each.incidents for each in told.records)
    say(f"{incidents} incidents of {told.name} are counted: {page}")
    if FlowRunContext.get() is not None:
        create_markdown_artifact(
            markdown(told), key=f"track-record-{period.value}", description=f"Recoveries of {told.name}"
        )
    return Written(page=page, data=data, incidents=incidents)
