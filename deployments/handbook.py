"""Everything there is to know of each scenario, from its code: for `backstop scenarios` and the pages in docs/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.ladders import RungSource, ladder
from deployments.prefect_yaml import read_prefect_yaml
from deployments.source_graph import SourceGraph, kind_of
from deployments.yaml_files import read_mapping
from flows._catalogue import Scenario, scenarios
from rules.approvals import required
from rules.promises import PROMISES, Promise
from rules.severity import Destructiveness, Tier
from rules.triggers import AlarmRoutes, Route

ROOT = Path(__file__).parent.parent
ROUTES = ROOT / "deployments/alarm_routes.yaml"


@dataclass(frozen=True, slots=True)
class TaskNeed:
    """One probe or action: what it does, and the IAM actions that its docstring names."""

    name: str
    kind: str
    about: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """One rung of the ladder: the actions it may take, and what each possible cost needs by tier."""

    name: str
    actions: tuple[TaskNeed, ...]
    approvals: dict[Destructiveness, dict[Tier, str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A scenario, with what starts it and what it may do."""

    scenario: Scenario
    promise: Promise
    routes: tuple[Route, ...]
    schedules: tuple[str, ...]
    probes: tuple[TaskNeed, ...]
    ways: tuple[Way, ...]

    @property
    def actions(self) -> tuple[TaskNeed, ...]:
        """What it may change, each once, in the order of the ladder."""
        return tuple({task.name: task for way in self.ways for task in way.actions}.values())

    @property
    def approval(self) -> str:
        """The approval rule in production, in one line."""
        found = {cost: told[Tier.PRODUCTION] for way in self.ways for cost, told in way.approvals.items()}
        return "; ".join(f"{policy} where {cost.value}" for cost, policy in found.items())

    @property
    def triggers(self) -> tuple[str, ...]:
        """What starts it, in words."""
        alarms = (
            f"alarm {route.alarm} of {route.source or 'SNS'} in {route.environment}" for route in self.routes
        )
        return (*alarms, *self.schedules, "form in the Prefect UI", "backstop recover")

    def as_json(self) -> dict[str, Any]:
        """The entry for other programs."""
        found = self.scenario
        return {
            "name": found.name,
            "title": found.title,
            "when": found.when,
            "about": found.about,
            "source": found.source,
            "budget": found.budget,
            "severity": self.promise.severity.value,
            "triggers": list(self.triggers),
            "parameters": [
                {
                    "name": p.name,
                    "type": p.type,
                    "default": p.default,
                    "required": p.required,
                    "about": p.about,
                }
                for p in found.parameters
            ],
            "may_change": {way.name: [task.name for task in way.actions] for way in self.ways},
            "approval": {
                way.name: {
                    cost.value: {tier.value: policy for tier, policy in told.items()}
                    for cost, told in way.approvals.items()
                }
                for way in self.ways
            },
            "permissions": permissions((*self.probes, *self.actions)),
        }


def handbook(routes: Path = ROUTES) -> tuple[Entry, ...]:
    """Every scenario's entry, by name. `routes` is the alarm routes' file; what it starts is left out if it is missing.

    Raises:
        RecoveryRefused: that file or `prefect.yaml` is wrong.
    """
    graph = SourceGraph(ROOT)
    table = _routes(routes)
    deployed = {entry.name: entry for entry in read_prefect_yaml(ROOT / "prefect.yaml").deployments}
    entries = []
    for scenario in scenarios():
        promise = PROMISES[scenario.name]
        module = graph.module(scenario.module)
        recover = graph.definition(f"{scenario.module}.recover")
        if module is None or recover is None:
            continue
        plan = deployed.get(scenario.name)
        looks = [task for task in _needs(graph, graph.reached(module, recover)) if task.kind == "probe"]
        ways = tuple(_way(graph, rung, promise) for rung in ladder(graph, module, recover))
        entries.append(
            Entry(
                scenario=scenario,
                promise=promise,
                routes=tuple(route for route in table.routes if route.scenario == scenario.name),
                schedules=tuple(
                    f"schedule {one.slug} ({one.cron or one.interval or one.rrule})"
                    for one in (plan.schedules if plan else ())
                ),
                probes=tuple(looks),
                ways=ways,
            )
        )
    return tuple(entries)


def task_needs(folder: Path) -> Iterator[TaskNeed]:
    """Every probe and action in `folder`, in the order of files and lines."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and kind_of(node):
                yield _need(f"{path.stem}.{node.name}", node)


def permissions(tasks: Iterable[TaskNeed]) -> list[str]:
    """The IAM actions that tasks need together, sorted."""
    return sorted({one for task in tasks for one in task.permissions})


def named_permissions(docstring: str) -> tuple[str, ...]:
    """The IAM actions after `Permissions:`, up to the next empty line."""
    found = re.search(r"^\s*Permissions:(.*?)(?:\n\s*\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return tuple(sorted(set(re.findall(r"\b[a-z0-9-]+:[A-Z]\w+", found[1])))) if found else ()


def secret_permissions() -> list[str]:
    """What reading a secret needs where it is kept in AWS: keys of endpoints, tokens, addresses of people."""
    tree = ast.parse((ROOT / "blocks/secret_reference.py").read_text(encoding="utf-8"))
    read = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "read")
    return sorted({one for node in read for one in named_permissions(ast.get_docstring(node) or "")})


def _routes(path: Path) -> AlarmRoutes:
    if not path.is_file():
        return AlarmRoutes()
    told = read_mapping(path)
    return AlarmRoutes.model_validate({key: told[key] for key in AlarmRoutes.model_fields if key in told})


def _way(graph: SourceGraph, rung: RungSource, promise: Promise) -> Way:
    actions = tuple(task for task in _needs(graph, rung.acts) if task.kind == "action")
    approvals = {
        cost: {tier: required(promise.severity, tier, cost).policy.value for tier in Tier}
        for cost in rung.costs
    }
    return Way(rung.name, actions, approvals)


def _needs(graph: SourceGraph, reached: frozenset[str]) -> tuple[TaskNeed, ...]:
    found = []
    for name in sorted(reached):
        node = graph.definition(name)
        if isinstance(node, ast.FunctionDef) and kind_of(node):
            found.append(_need(name.removeprefix("tasks."), node))
    return tuple(found)


def _need(name: str, node: ast.FunctionDef) -> TaskNeed:
    docstring = ast.get_docstring(node) or ""
    about = docstring.partition("\n")[0].replace(" Repeating it changes nothing.", "")
    return TaskNeed(name, kind_of(node), about, named_permissions(docstring))
