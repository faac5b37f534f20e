"""What people see of a drill in the Prefect UI: how its run ended, and its page."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from flows._report import templates
from flows._wording import headline, short_seconds
from ledger.database import open_ledger
from ledger.drill_rows import DrillRow
from ledger.models import IncidentRow
from rules.drills import FAULT_KINDS, FaultName
from rules.outcomes import Verdict
from rules.values import Frozen

_ENDINGS = {Verdict.PASS: "Passed", Verdict.FAIL: "Failed", Verdict.INCONCLUSIVE: "Inconclusive"}


class Drilled(Frozen):
    """How a drill went. A rehearsal has no grade."""

    drill: str
    environment: str
    scenario: str
    fault: str
    grade: Verdict | None
    reasons: tuple[str, ...]
    incident: str = ""


def shown(drilled: Drilled) -> Drilled:
    """The same, or inside a flow run a Prefect state that is named after the grade and carries it.

    Prefect unpacks the state: a caller of the flow gets the grade either way.
    """
    if FlowRunContext.get() is None:
        return drilled
    name = _ENDINGS[drilled.grade] if drilled.grade else "Rehearsed"
    state: Any = (Failed if drilled.grade is Verdict.FAIL else Completed)(
        name=name, message="; ".join(drilled.reasons), data=drilled
    )
    return cast("Drilled", state)


def show(row: DrillRow) -> None:
    """Leave the drill's page as an artifact; outside a flow run there is nothing to leave it to."""
    if FlowRunContext.get() is None:
        return
    create_markdown_artifact(
        page(row), key=f"drill-{row.environment}", description=f"The last drill in {row.environment}"
    )


def page(row: DrillRow) -> str:
    """The drill as Markdown; everything in it is from the ledger."""
    with open_ledger().reading() as session:
        incident = session.get(IncidentRow, row.incident_id) if row.incident_id else None
    return (
        templates()
        .get_template("drill.md.j2")
        .render(
            drill=row,
            title=headline(row.scenario),
            ending=_ENDINGS[Verdict(row.grade)] if row.grade else "Not ended",
            reasons=row.reasons.get("reasons", ()),
            fault_is_there=row.intent_at is not None and row.undone_at is None,
            happened=sorted(_happened(row, incident)),
            promised=short_seconds(row.promised_seconds, exact=False),
        )
    )


def _happened(row: DrillRow, incident: IncidentRow | None) -> list[tuple[datetime, str]]:
    about = FAULT_KINDS[FaultName(row.fault)].about
    told: list[tuple[datetime | None, str]] = [
        (row.began_at, "the drill began"),
        (row.injected_at, f"{row.fault}: {about}" if about else f"{row.fault} was brought about"),
        (row.undone_at, f"undone: {row.undo}" if row.undo else "nothing of the fault was left to undo"),
        (row.ended_at, "the drill ended"),
    ]
    if incident is not None:
        told_by_drill = "by the drill, in a person's place" if incident.opened_by == row.id else "by a person"
        by = "by an alarm" if incident.alarm_id else told_by_drill
        told += [
            (incident.opened_at, f"{incident.id} was opened {by}"),
            (incident.closed_at, f"{incident.id} ended: {incident.ending}"),
        ]
    return [(at, what) for at, what in told if at is not None]
