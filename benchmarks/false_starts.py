"""How often something starts though nothing is wrong, and how often nothing starts though something is.

First on the practice environments: scenarios are started 200 times on what is healthy, and must find nothing to do.
Then simulated: services whose truth is known send noisy metrics; an alarm on them is told as CloudWatch tells it, and
goes through the product's own reading, routing, placing and detection. A start is one that acts.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.noisy_metrics import MINUTES, ONSET, SHAPES, SILENT, Service, Shape
from benchmarks.practice import own_home, practice_sandbox
from rules.outcomes import Ending, Outcome, Verdict

if TYPE_CHECKING:
    from blocks.environment import Environment
    from rules.triggers import AlarmRoutes, Standing
    from tasks.service_looks import ServiceLook

HEALTHY_CHECKS, SERIES = 200, 100
IN_TIME = 10
"""Minutes after which a fault that nothing started for is missed."""
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
ACCOUNT, REGION = "111111111111", "us-east-1"
STACK = (
    "redis_corruption",
    "gateway_configuration_error",
    "network_failure",
    "resource_exhaustion",
    "container_start_failure",
)


@dataclass(slots=True)
class Tally:
    """What became of the series of one kind."""

    false: int = 0
    """Series in which something acted on a healthy service."""
    asked: int = 0
    """Alarms on a healthy service after which nothing was done."""
    missed: int = 0
    delays: list[int] = field(default_factory=list)
    """Minutes from the fault to the start."""
    starts: int = 0
    false_starts: int = 0


def measure() -> Iterator[Figure]:
    """Both, and the rates with the ranges they lie in."""
    from rules.track_records import share

    endings = defaultdict[str, int](int)
    for outcome in _healthy_checks():
        endings[outcome.ending.value] += 1
    yield Figure.exactly("healthy checks", sum(endings.values()), "", HEALTHY_CHECKS)
    acted = sum(number for ending, number in endings.items() if ending not in ("nothing to do", "refused"))
    yield Figure.exactly("starts on healthy environments", acted, "", 0)
    yield Figure.raw("healthy checks that could not be judged", endings["refused"], "")
    tallies = {shape: simulate(shape, SERIES) for shape in SHAPES}
    Console(stderr=True, width=130).print(_table(tallies))
    # One whose alarm says nothing of missing data starts nothing when it falls silent: the table has it, the sum not.
    told = [tally for shape, tally in tallies.items() if shape.name != SILENT]
    starts = share(sum(tally.false_starts for tally in told), sum(tally.starts for tally in told))
    broken = [t for shape, t in tallies.items() if shape.broken and t in told]
    missed = share(sum(tally.missed for tally in broken), SERIES * len(broken))
    # Raw: how often each kind of service comes is nobody's measurement, so that no bound could be kept or broken.
    yield Figure.raw(f"false starts, of {starts.of} simulated starts", 100 * (starts.value or 0), "%")
    yield Figure.raw("false starts, upper end of the range", 100 * starts.high, "%")
    yield Figure.raw(f"misses, of {missed.of} simulated faults", 100 * (missed.value or 0), "%")
    yield Figure.raw("misses, upper end of the range", 100 * missed.high, "%")


def _healthy_checks() -> Iterator[Outcome]:
    """Half of them on production, half on a Docker stack, each by the scenarios' own flows."""
    half = HEALTHY_CHECKS // 2
    with practice_sandbox() as box:
        from deployments.environments import load_environment
        from flows import canary_failure

        box.deploy("prod", 1)
        box.wait_until_green("prod")
        prod = load_environment("prod", box.home.environments)
        for _ in range(half):
            yield canary_failure.recover.fn(prod)
    with ExitStack() as closing:
        environment = _stack(closing)
        for name in islice(cycle(STACK), half):
            yield _recover_of(name)(environment)


def _recover_of(name: str) -> Callable[[Environment], Outcome]:
    from importlib import import_module

    recover: Callable[[Environment], Outcome] = import_module(f"flows.{name}").recover.fn
    return recover


def _stack(closing: ExitStack) -> Environment:
    from blocks.environment import Environment
    from rules.backups import BackupKind
    from rules.retention import Proof
    from sandbox.stack import engine
    from sandbox.stack.environment import described
    from sandbox.stack.stack import DockerStack
    from tasks.backup_proofs import record_proof
    from tasks.backups import Occasion, take_backup

    folder = closing.enter_context(own_home())
    found = engine.find_or_start()
    closing.callback(found.stop)
    stack = DockerStack.start(folder / "stack", found.address)
    closing.callback(stack.remove)
    environment = Environment.model_validate(described(stack))
    made = take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY))
    record_proof.fn(environment, made.id, Proof.PROVEN)
    return environment


def simulate(shape: Shape, series: int) -> Tally:
    """So many services of one kind, each for four hours; the same ones every time."""
    tally = Tally()
    for number in range(series):
        _run(Service(shape, random.Random(f"{shape.name} {number}")), tally)  # noqa: S311 - a simulation
    return tally


def _run(service: Service, tally: Tally) -> None:
    from rules.triggers import Standing

    standing, false = Standing(), False
    begun = next((minute for minute in range(MINUTES) if service.is_broken(minute)), MINUTES)
    minute = -1
    while (minute := minute + 1) < MINUTES:
        if not service.evaluate(minute):
            continue
        placed = _placed(service, minute, standing)
        if placed is None:
            continue
        verdict, minute = _detected(service, minute)
        broken = service.is_broken(minute)
        acts = verdict is Verdict.FAIL
        tally.starts += acts
        if acts and begun <= minute < MINUTES and not service.recovered:
            tally.delays.append(minute - begun)
            service.recovered = True
        elif acts and not broken:
            tally.false_starts += 1
            false = True
        elif not broken:
            tally.asked += 1
        at = MIDNIGHT + timedelta(minutes=minute, seconds=30)
        ending = Ending.RECOVERED if acts else Ending.NOTHING_TO_DO
        standing = Standing(
            key=placed, matter="", incident=placed, settled_at=at, closed_at=at, ending=ending
        )
    tally.false += false
    in_time = service.recovered and tally.delays[-1] <= IN_TIME
    tally.missed += service.shape.broken and not in_time


def _placed(service: Service, minute: int, standing: Standing) -> str | None:
    """The episode that an alarm begins, told as CloudWatch tells it; None where it leads nowhere."""
    from rules.alarms import from_cloudwatch
    from rules.standing_alarms import as_published
    from rules.triggers import correlate, route

    told = as_published(
        {
            "AlarmName": "prod-sentiment-dashboard-errors",
            "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:prod-sentiment-dashboard-errors",
            "StateValue": service.state,
            "StateTransitionedTimestamp": MIDNIGHT + timedelta(minutes=minute),
        }
    )
    alarm = from_cloudwatch(told, source="sns")
    found = route(alarm, _routes()).route
    if found is None:
        return None
    placement = correlate(
        alarm.external_id,
        alarm.occurred_at,
        found.scenario,
        found.environment,
        standing,
        timedelta(minutes=5),
    )
    return placement.key if placement and placement.begins else None


def _routes() -> AlarmRoutes:
    from rules.triggers import AlarmRoutes, Place, Route

    line = Route(alarm="prod-sentiment-*", scenario="canary-failure", environment="prod")
    return AlarmRoutes(environments={"prod": Place(account=ACCOUNT, region=REGION)}, routes=(line,))


def _detected(service: Service, minute: int) -> tuple[Verdict, int]:
    """What the product's own detection says of the service, its alarm included, and in which minute it does."""
    from deployments.environments import load_environment
    from flows import _watching
    from rules.health import Alarm, AlarmState, Look
    from rules.severity import Severity
    from tasks.service_looks import ServiceLook

    clock = _Clock(service, minute)

    def look(_environment: Environment) -> ServiceLook:
        well = service.answers_well(clock.minute)
        answer = Look(verdict=Verdict.PASS if well else Verdict.FAIL, reason="answered")
        alarm = Alarm(name="prod-sentiment-dashboard-errors", state=AlarmState(service.state))
        return ServiceLook(endpoints={"dashboard": answer}, alarms=(alarm,))

    with (
        patch.object(_watching, "look_at_service", look),
        patch.object(_watching, "pause", clock.pause),
        patch.object(_watching, "time", clock),
    ):
        verdict = _watching.detect(load_environment("prod"), Severity.CRITICAL).health.verdict
    return verdict, clock.minute


class _Clock:
    """Simulated seconds: a detection that takes longer than a minute meets the alarm's next evaluation."""

    def __init__(self, service: Service, minute: int) -> None:
        self._service, self.minute, self._seconds = service, minute, 60.0 * minute

    def monotonic(self) -> float:
        return self._seconds

    def pause(self, seconds: float) -> None:
        self._seconds += seconds
        while self._seconds >= 60.0 * (self.minute + 1):
            self.minute += 1
            self._service.evaluate(self.minute)


def _table(tallies: dict[Shape, Tally]) -> Table:
    from flows._track_page import share_told
    from rules.track_records import share

    shown = Table(title=f"{SERIES} series of {MINUTES // 60} hours each; a fault begins after {ONSET // 60}")
    for heading in (
        "service",
        "series with a false start",
        "false alarms not acted on",
        "missed",
        "minutes to start",
    ):
        shown.add_column(heading)
    for shape, tally in tallies.items():
        shown.add_row(
            shape.name,
            share_told(share(tally.false, SERIES)),
            str(tally.asked),
            share_told(share(tally.missed, SERIES)) if shape.broken else "–",
            f"{median(tally.delays):g} (worst {max(tally.delays)})" if tally.delays else "–",
        )
    return shown
