"""Everything there is to know of each scenario, from its code: for `backstop scenarios` and the pages in docs/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.ladders import RungSource, ladder
from deployments.prefect_yaml import read_prefect_yaml
from deployments.source_graph import SourceGraph
from deployments.task_needs import TaskNeed, permissions, reached_needs
from deployments.yaml_files import read_mapping
from flows._catalogue import Scenario, scenarios
from rules.approvals import required
from rules.promises import PROMISES, Promise
from rules.severity import Destructiveness, Tier
from rules.triggers import AlarmRoutes, Route

ROOT = Path(__file__).parent.parent
ROUTES = ROOT / "deployments/alarm_routes.yaml"


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
        looks = [
            task for task in reached_needs(graph, graph.reached(module, recover)) if task.kind == "probe"
        ]
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


def _routes(path: Path) -> AlarmRoutes:
    if not path.is_file():
        return AlarmRoutes()
    told = read_mapping(path)
    return AlarmRoutes.model_validate({key: told[key] for key in AlarmRoutes.model_fields if key in told})


def _way(graph: SourceGraph, rung: RungSource, promise: Promise) -> Way:
    actions = tuple(task for task in reached_needs(graph, rung.acts) if task.kind == "action")
    approvals = {
        cost: {tier: required(promise.severity, tier, cost).policy.value for tier in Tier}
        for cost in rung.costs
    }
    return Way(rung.name, actions, approvals)
