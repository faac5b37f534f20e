"""`backstop show`: everything the ledger knows about one incident."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape

from cli import reading
from cli.options import AsJson, command
from cli.printing import coloured, console, duration, print_json, table
from ledger.database import open_ledger
from rules.predictions import Prediction

app = command(
    "show", "show last", "show k7qd2m", "show inc-20260131-0312-k7qd2m --json", "show last --follow"
)


@app.default
def show(
    incident: str,
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    as_json: AsJson = False,
) -> int:
    """Show one incident: finding, plan, answers, steps, timeline, and how long each phase took.

    Args:
        incident: Its id, a part of it that fits only one, or `last`.
        follow: Watch an open incident until it ends; leaving with Ctrl-C does not disturb it.
        as_json: Print JSON.
    """
    ledger = open_ledger()
    with ledger.reading() as session:
        row = reading.find(session, incident)
    if follow and row.closed_at is None:
        from cli.live import follow_incident

        follow_incident(ledger, row.id)
    with ledger.reading() as session:
        told = reading.whole(session, reading.find(session, row.id))
    if as_json:
        print_json(told)
    else:
        _print(told)
    return 0


def _print(told: dict[str, Any]) -> None:
    out = console()
    ending = told["ending"] or "open"
    rehearsal = " (rehearsal)" if told["rehearsal"] else ""
    out.print(f"[bold]{told['incident']}[/]  {told['scenario']} in {told['environment']}{rehearsal}")
    state = coloured(ending) + (f" in {told['phase']}" if ending == "open" else "")
    promise = duration(told["promised_seconds"])
    out.print(f"{state} after {duration(told['took_seconds'])}; the runbook promises {promise}")
    for line in (told["reason"], told["hint"] and f"Hint: {told['hint']}"):
        if line:
            out.print(escape(line))
    if told["finding"]:
        out.print(f"\n[bold]Found[/]  {escape(told['finding'].get('summary', ''))}")
    for plan in told["plans"]:
        print_plan(plan)
    if told["approvals"]:
        out.print("\n[bold]Answers[/]")
        for answer in told["approvals"]:
            comment = f": {answer['comment']}" if answer["comment"] else ""
            out.print(
                escape(f"  {answer['decision']} by {answer['approver']} through {answer['source']}{comment}"),
            )
    out.print("\n[bold]Timeline[/]")
    start = datetime.fromisoformat(told["opened_at"])
    for entry in told["timeline"]:
        since = (datetime.fromisoformat(entry["at"]) - start).total_seconds()
        out.print(escape(f"  {since:8.2f} s  {entry['phase']:<8}  {entry['kind']:<10}  {entry['text']}"))
    if told["timeline_broken_at"] is not None:
        out.print(f"[red]Entry {told['timeline_broken_at']} was altered: the chain of hashes is broken.[/]")
    if told["seconds"]:
        spent = ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in told["seconds"].items())
        out.print(f"\n[bold]Time[/]  {spent}")
    if report := report_path(told["incident"]):
        out.print(f"[bold]Report[/]  {report}")


def print_plan(plan: dict[str, Any]) -> None:
    """Print a plan: what changes, from what to what, and why."""
    out = console()
    out.print(f"\n[bold]Plan[/]  {escape(plan['title'])}  (rung {plan['rung']}, {plan['state']})")
    if plan["changes"]:
        rows = [(escape(c["subject"]), escape(c["before"]), escape(c["after"])) for c in plan["changes"]]
        table("", ("what", "before", "after"), rows)
    for reason in plan.get("reasons", ()):
        out.print(escape(f"  - {reason}"))
    if plan.get("prediction"):
        from flows._prediction import expected

        out.print(f"How long it takes: {expected(Prediction.model_validate(plan['prediction']))}")


def report_path(incident: str) -> str:
    """Where the HTML report of an incident is, or empty when it has none yet."""
    from blocks.settings import settings

    path = settings().home / "reports" / f"{incident}.html"
    return str(path) if path.is_file() else ""
