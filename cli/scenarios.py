"""`backstop scenarios`: what Backstop can recover from."""

from __future__ import annotations

from dataclasses import asdict

from rich.markup import escape

from cli.catalogue import scenario
from cli.options import AsJson, command
from cli.printing import console, print_json, table
from flows import _catalogue
from flows._catalogue import Scenario

app = command("scenarios", "scenarios", "scenarios canary-failure", "scenarios --json")


@app.default
def scenarios(name: str | None = None, *, as_json: AsJson = False) -> int:
    """List what Backstop can recover from, or show one scenario with its parameters.

    Args:
        name: Show only this scenario, with its parameters.
        as_json: Print JSON.
    """
    if name is None:
        listed = _catalogue.scenarios()
        if as_json:
            print_json([asdict(found) for found in listed])
        else:
            rows = [(found.name, found.title, found.source, found.budget) for found in listed]
            table("", ("scenario", "what it does", "runbook", "promise"), rows)
        return 0
    found = scenario(name)
    if as_json:
        print_json(asdict(found))
    else:
        _describe(found)
    return 0


def _describe(scenario: Scenario) -> None:
    out = console()
    out.print(f"[bold]{scenario.name}[/]  {scenario.title}", soft_wrap=True)
    if scenario.about:
        out.print(f"\n{escape(scenario.about)}\n", soft_wrap=True)
    out.print(f"Source: {scenario.source or 'not named'}\nPromise: {scenario.budget or 'none'}\n")
    if scenario.parameters:
        rows = [
            (p.name, escape(p.type), "required" if p.required else f"default {p.default}", p.about)
            for p in scenario.parameters
        ]
        table("Parameters (key=value)", ("key", "type", "", ""), rows)
    out.print(f"\nbackstop recover {scenario.name} --environment ENVIRONMENT --rehearse")
