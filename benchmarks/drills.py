"""The drill of each fault on the practice sandbox, N times (`DRILLS=20`): how often it passes, how long parts take.

Everything is the real one: the form's deployment, the responder, the receiver, Terraform, the Docker engine. Two things
are played: CloudWatch, whose evaluator looks twice a second here, and a container monitor, of which every installation
has one of its own: it tells Alertmanager's webhook that the gateway is down, or that keys are missing. Nobody is asked:
the stack is a staging that waives one approval.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.container_monitor import DOWN, MISSING, TOKEN, monitor
from benchmarks.figures import Figure
from benchmarks.practice import practice_sandbox
from benchmarks.prediction_coverage import coverage
from sandbox.test_kit.place import QA, STRAYS_ALARM, TOPIC

if TYPE_CHECKING:
    from deployments.stack import Stack
    from ledger.drill_rows import DrillRow
    from sandbox.world import Sandbox

ROUNDS = int(os.environ.get("DRILLS", "2"))
PATIENCE_SECONDS = 400.0
ON_AWS, ON_QUEUES = ("broken-release", "held-lock"), ("wrong-queue",)
ON_DOCKER = ("killed-gateway", "corrupted-redis")


@dataclass
class Drills:
    """The drills of one fault: their grades, and the seconds of each part."""

    grades: list[str] = field(default_factory=list)
    recovered: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure() -> Iterator[Figure]:
    """Each fault as often, in turn."""
    found: dict[str, Drills] = defaultdict(Drills)
    with practice_sandbox() as box, ExitStack() as parts:
        places = dict.fromkeys(ON_AWS, "preprod") | dict.fromkeys(ON_QUEUES, QA)
        box.deploy("preprod", 2)
        if _with_docker(box):
            places |= dict.fromkeys(ON_DOCKER, "masking")
        stack = parts.enter_context(_running(box))
        if "masking" in places.values():
            parts.enter_context(monitor(box, f"{stack.webhook_address}/alarms/monitor"))
        for _ in range(ROUNDS):
            for fault, place in places.items():
                if place == "preprod":
                    box.wait_until_green(place)
                _add(found[fault], _drilled(stack, fault, place))
        foreseen = list(coverage())
    Console(stderr=True, width=150).print(_table(found))
    for fault, told in found.items():
        yield Figure.raw(f"drills of {fault}, recovered", 100 * told.recovered / len(told.grades), "%")
        yield Figure.exactly(
            f"drills of {fault} that did not pass", sum(each != "pass" for each in told.grades), "", 0
        )
    yield from foreseen


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


@contextmanager
def _running(box: Sandbox) -> Iterator[Stack]:
    """Server, responder and receiver; release 2 is proven, 3 is known to be bad."""
    from urllib.parse import urlsplit

    from blocks.settings import settings
    from deployments.environments import load_environment
    from deployments.stack import Stack
    from flows._release_memory import record
    from rules.outcomes import Verdict
    from tasks.release_packages import package_of

    settings.cache_clear()
    home, place = settings().home, load_environment("preprod")
    for number, verdict in ((3, Verdict.FAIL), (2, Verdict.PASS)):
        release = box.release(number)
        functions = [function.name for function in place.lambda_platform.functions]
        code = {name: package_of(place, name, release).sha256 for name in functions}
        record(place, release, verdict, code, by="the benchmark")
    routes = home / "routes.yaml"
    routes.write_text(yaml.safe_dump(_routes(box)))
    variables = {
        "BACKSTOP_WEBHOOK_ROUTES": str(routes),
        "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": urlsplit(box.home.addresses().certificate_url).netloc,
        "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(box.home.certificate),
        "BENCH_TOKEN": TOKEN,
    }
    stack = Stack(home, prefect_port=0, webhook_port=0, environments=box.home.environments, extra=variables)
    stack.start()
    box.subscribe(f"{stack.webhook_address}/alarms/sns")
    try:
        yield stack
    finally:
        box.subscribe("")
        stack.stop()


def _routes(box: Sandbox) -> dict[str, Any]:
    from sandbox.places import ACCOUNT, REGION

    place, of = box.place("preprod"), {"environment": "preprod"}
    token = {"source": "environment", "name": "BENCH_TOKEN"}
    by_monitor = {"source": "monitor", "environment": "masking"}
    return {
        "topics": [place.topic, TOPIC],
        "environments": {
            **{name: {"account": ACCOUNT, "region": REGION} for name in ("preprod", QA)},
            "masking": {},
        },
        "senders": {"monitor": {"format": "alertmanager", "token": token}},
        "routes": [
            {"alarm": place.lock_alarm, "scenario": "stale-terraform-lock", **of},
            {"alarm": f"{place.alarm_prefix}*", "scenario": "canary-failure", **of},
            {"alarm": STRAYS_ALARM, "scenario": "wrong-queue-publish", "environment": QA},
            {"alarm": DOWN, "scenario": "container-start-failure", **by_monitor},
            {"alarm": MISSING, "scenario": "redis-corruption", **by_monitor},
        ],
    }


def _with_docker(box: Sandbox) -> bool:
    """Bring the Docker stack up, as a staging that may be drilled; false where there is no engine."""
    from rules.errors import BackstopError

    try:
        box.stack  # noqa: B018 - asking for it brings it up
    except BackstopError as error:
        Console(stderr=True).print(f"left out, no Docker stack: {error.message}")
        return False
    path: Path = box.home.environments / "masking.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told |= {"tier": "staging", "drills": {"allowed": [{"fault": fault} for fault in ON_DOCKER]}}
    told |= {"automatic_up_to": "one approver"}
    told["platform"]["rpo_seconds"] = 3600
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    return True
