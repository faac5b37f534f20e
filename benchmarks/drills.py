"""The drill of each fault on the practice sandbox, N times (`DRILLS=20`): how often it passes, how long parts take.

Everything is the real one: the form's deployment, the responder, the receiver, Terraform, the Docker engine. Played are
CloudWatch, whose evaluator looks twice a second here; a container monitor, of which every installation has one of its
own, which tells Alertmanager's webhook that the gateway is down or that keys are missing; and people: the stack is a
staging that waives one approval, and where tables are restored two agree as soon as they are asked. Those drills run
last, with the ten minutes of watching cut to twelve seconds. `FAULTS=wrong-queue,alarm-only` selects.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.container_monitor import monitor
from benchmarks.drill_stack import (
    ON_AWS,
    ON_DATA,
    ON_DOCKER,
    ON_QUEUES,
    SHORTER,
    consumed,
    running,
    with_docker,
    with_items,
)
from benchmarks.figures import Figure
from benchmarks.on_call import agreeing
from benchmarks.practice import practice_sandbox
from benchmarks.prediction_coverage import coverage
from sandbox.test_kit.place import QA

if TYPE_CHECKING:
    from deployments.stack import Stack
    from ledger.drill_rows import DrillRow
    from sandbox.world import Sandbox

ROUNDS = int(os.environ.get("DRILLS", "2"))
PATIENCE_SECONDS = 400.0
CHOSEN = [name for name in os.environ.get("FAULTS", "").split(",") if name]


@dataclass
class Drills:
    """The drills of one fault: their grades, and the seconds of each part."""

    grades: list[str] = field(default_factory=list)
    recovered: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure() -> Iterator[Figure]:
    """Each fault as often, in turn."""
    found: dict[str, Drills] = defaultdict(Drills)
    with practice_sandbox() as box:
        box.deploy("preprod", 2)
        places = dict.fromkeys(ON_AWS, "preprod") | dict.fromkeys(ON_QUEUES, QA)
        if any(map(_is_chosen, ON_DOCKER)) and with_docker(box):
            places |= dict.fromkeys(ON_DOCKER, "masking")
        with running(box) as stack, ExitStack() as parts:
            if "masking" in places.values():
                parts.enter_context(monitor(box, f"{stack.webhook_address}/alarms/monitor"))
            _drill(box, stack, places, found)
        if any(map(_is_chosen, ON_DATA)):
            with_items(box)
            with running(box, SHORTER) as stack, agreeing():
                _drill(box, stack, dict.fromkeys(ON_DATA, "preprod"), found)
        foreseen = list(coverage())
    Console(stderr=True, width=150).print(_table(found))
    for fault, told in found.items():
        if fault != "alarm-only":  # nothing is broken
            yield Figure.raw(f"drills of {fault}, recovered", 100 * told.recovered / len(told.grades), "%")
        yield Figure.exactly(
            f"drills of {fault} that did not pass", sum(each != "pass" for each in told.grades), "", 0
        )
    yield from foreseen


def _is_chosen(fault: str) -> bool:
    return not CHOSEN or fault in CHOSEN


def _drill(box: Sandbox, stack: Stack, places: dict[str, str], found: dict[str, Drills]) -> None:
    for _ in range(ROUNDS):
        for fault, place in places.items():
            if not _is_chosen(fault):
                continue
            if place == "preprod":
                box.wait_until_green(place)
            if place == QA:
                consumed(box)
            _add(found[fault], _drilled(stack, fault, place))


def _table(found: dict[str, Drills]) -> Table:
    from rules.track_records import percentile

    table = Table("fault", "drills", "passed", "recovered", "part", "p50 s", "p95 s")
    for fault, told in found.items():
        head = [fault, str(len(told.grades)), str(told.grades.count("pass")), str(told.recovered)]
        for part, seconds in told.seconds.items():
            ordered = sorted(seconds)
            table.add_row(*head, part, f"{percentile(ordered, 0.5):.1f}", f"{percentile(ordered, 0.95):.1f}")
            head = ["", "", "", ""]
    return table


def _add(drills: Drills, row: DrillRow) -> None:
    from ledger.database import open_ledger
    from ledger.models import IncidentRow

    drills.grades.append(row.grade or "")
    if row.grade != "pass":
        Console(stderr=True).print(f"{row.fault}: {row.grade}: {row.reasons}")
    with open_ledger().reading() as session:
        incident = session.get(IncidentRow, row.incident_id) if row.incident_id else None
    if incident is None or incident.closed_at is None or row.injected_at is None:
        return
    drills.recovered += incident.ending == "recovered"
    drills.seconds["noticed"].append((incident.opened_at - row.injected_at).total_seconds())
    for phase, taken in incident.seconds.items():
        drills.seconds[phase].append(float(taken))
    drills.seconds["opened to ended"].append((incident.closed_at - incident.opened_at).total_seconds())


def _drilled(stack: Stack, fault: str, place: str) -> DrillRow:
    from cli.prefect_api import PrefectApi
    from ledger import drills
    from ledger.database import open_ledger

    api = PrefectApi(f"{stack.prefect_address}/api")
    asked = {"environment": api.environment(place), "fault": fault}
    run = api.start_run(api.deployment("rollback-drill/rollback-drill"), asked, f"{fault} in {place}")
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        with open_ledger().reading() as session:
            row = drills.of_run(session, run)
        if row is not None and row.told_at:
            return row
        time.sleep(0.2)
    raise RuntimeError(f"the drill of {fault} did not end within {PATIENCE_SECONDS:g} s")
