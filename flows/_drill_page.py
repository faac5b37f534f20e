"""What people read of a drill in the Prefect UI."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext

from ledger.drill_rows import DrillRow


def show(row: DrillRow) -> None:
    """Leave the drill's page as an artifact; outside a flow run there is nothing to leave it to."""
    if FlowRunContext.get() is None:
        return
    create_markdown_artifact(
        page(row), key=f"drill-{row.environment}", description=f"The last drill in {row.environment}"
    )


def page(row: DrillRow) -> str:
    """The drill as Markdown; everything in it is from the ledger."""
    at = {
        "began": row.began_at,
        "fault brought about": row.injected_at,
        "fault undone": row.undone_at,
        "ended": row.ended_at,
    }
    reasons = "\n".join(f"- {reason}" for reason in row.reasons.get("reasons", ()))
    times = "\n".join(f"| {name} | {when:%Y-%m-%d %H:%M:%S} |" for name, when in at.items() if when)
    return (
        f"## {row.scenario} in {row.environment}: {row.grade}\n\n{reasons}\n\n"
        f"Drill `{row.id}`, fault `{row.fault}`, incident `{row.incident_id or 'none'}`; promised within "
        f"{row.promised_seconds:g} s.\n\n| what | UTC |\n|---|---|\n{times}\n\n"
        f"Left of the fault: {row.undo or 'nothing'}.\n"
    )
