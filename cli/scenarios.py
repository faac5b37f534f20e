"""`backstop scenarios`: what Backstop can recover from."""

from __future__ import annotations

from rich.markup import escape

from cli.catalogue import scenario
from cli.options import AsJson, command
from cli.printing import console, print_json, table
from deployments.handbook import Entry, handbook
from rules.severity import Tier

app = command("scenarios", "scenarios", "scenarios canary-failure", "scenarios --json")


@app.default
def scenarios(name: str | None = None, *, as_json: AsJson = False) -> int:
    """List what Backstop can recover from: what starts it, what it may change, who must approve; or show one whole.

    Args:
        name: Show only this scenario, with its parameters.
        as_json: Print JSON.
    """
    from webhooks.settings import WebhookSettings

    wanted = scenario(name).name if name else ""
    routes = WebhookSettings().routes
    entries = {entry.scenario.name: entry for entry in (handbook(routes) if routes.is_file() else handbook())}
    if as_json:
        print_json(entries[wanted].as_json() if wanted else [entry.as_json() for entry in entries.values()])
    elif wanted:
        _describe(entries[wanted])
    else:
        for entry in entries.values():
            _summarize(entry)
    return 0


def _summarize(entry: Entry) -> None:
    found = entry.scenario
    changes = ", ".join(task.name.partition(".")[2].replace("_", " ") for task in entry.actions)
    console().print(f"[bold]{found.name}[/]  {escape(found.title)}", soft_wrap=True)
    for what, told in (
        ("runbook", f"{found.source} · {found.budget} · {entry.promise.severity.value}"),
        ("starts by", ", ".join(entry.triggers)),
        ("may change", changes or "nothing"),
        ("approval", f"in production: {entry.approval or 'nothing to approve'}"),
    ):
        console().print(f"  {what:<11} {escape(told)}", soft_wrap=True)
    console().print()


def _describe(entry: Entry) -> None:
    out, found = console(), entry.scenario
    out.print(f"[bold]{found.name}[/]  {escape(found.title)}", soft_wrap=True)
    out.print(f"\nWhen: {escape(found.when)}\n\n{escape(found.about)}\n", soft_wrap=True)
    out.print(f"Source: {found.source}\nPromise: {found.budget}, {entry.promise.severity.value}\n")
    table("Starts by", ("",), [(escape(trigger),) for trigger in entry.triggers])
    if found.parameters:
        rows = [
            (p.name, escape(p.type), "required" if p.required else f"default {p.default}", escape(p.about))
            for p in found.parameters
        ]
        out.print()
        table("Parameters (key=value)", ("key", "type", "", ""), rows)
    out.print()
    changes = [(way.name, task.name, escape(task.about)) for way in entry.ways for task in way.actions]
    table("May change", ("way", "action", ""), changes)
    out.print()
    costs = [
        (way.name, cost.value, *told.values()) for way in entry.ways for cost, told in way.approvals.items()
    ]
    table("Approval", ("way", "if it is", *(tier.value for tier in Tier)), costs)
    out.print(f"\nbackstop recover {found.name} --environment ENVIRONMENT --rehearse")
