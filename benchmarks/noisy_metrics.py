"""Services whose truth is known, the metrics they would send, and CloudWatch's evaluation of an alarm on them.

A minute is one period. The alarm is the practice environment's: at least one failed check in each of two periods.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

MINUTES, ONSET = 240, 120
"""A series' length, and where a fault begins."""
CHECKS = 12
"""Synthetic checks a minute."""
EVALUATED, RANGE = 2, 5
"""Periods that decide, and how far back CloudWatch looks for as many with data."""
BROKEN = 0.01
"""From this share of failing requests on a service is broken, whatever its metric says."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of service. `failing` is the true share of failing requests in a minute."""

    name: str
    failing: Callable[[int], float]
    seen: Callable[[int, random.Random], float | None]
    """The metric of a minute: failed checks; None: nothing was reported."""
    broken: bool = False
    """Whether it ever is: then a recovery has to start."""
    missing: str = "missing"
    """What its alarm makes of periods without data."""


@dataclass(slots=True)
class Service:
    """One service of a kind. Once it was recovered nothing fails any more."""

    shape: Shape
    chance: random.Random
    recovered: bool = False
    state: str = "INSUFFICIENT_DATA"
    points: list[float | None] = field(default_factory=list)

    def truly_failing(self, minute: int) -> float:
        """The share of requests that fail, which no rule gets to see."""
        return 0.0 if self.recovered else self.shape.failing(minute)

    def is_broken(self, minute: int) -> bool:
        """The truth."""
        return self.truly_failing(minute) >= BROKEN

    def answers_well(self, minute: int) -> bool:
        """One request to its health endpoint."""
        return self.chance.random() >= self.truly_failing(minute)

    def evaluate(self, minute: int) -> bool:
        """Report one period and evaluate the alarm; whether it has begun to fire."""
        healthy = self.recovered and self.shape.broken
        self.points.append(_failed(0.0, self.chance) if healthy else self.shape.seen(minute, self.chance))
        before = self.state
        self.state = _state(self.points[-RANGE:], self.shape.missing, before)
        return self.state == "ALARM" != before


def _state(points: list[float | None], missing: str, before: str) -> str:
    """As CloudWatch documents it: the newest points with data decide; where they are too few, missing ones count."""
    known = [point >= 1 for point in points if point is not None][-EVALUATED:]
    if not known and missing in ("missing", "ignore"):
        return before if missing == "ignore" else "INSUFFICIENT_DATA"
    lacking = EVALUATED - len(known)
    filled = known + [missing == "breaching"] * lacking
    return "ALARM" if all(filled) else "OK"


def _failed(share: float, chance: random.Random, checks: int = CHECKS) -> float:
    return float(sum(chance.random() < share for _ in range(checks)))


def _checked(
    failing: Callable[[int], float], lost: float = 0.0
) -> Callable[[int, random.Random], float | None]:
    """Its own share, checked twelve times a minute; some minutes are lost on the way."""

    def seen(minute: int, chance: random.Random) -> float | None:
        return None if chance.random() < lost else _failed(failing(minute), chance)

    return seen


def _few(failing: Callable[[int], float]) -> Callable[[int, random.Random], float | None]:
    """Users' own requests, on average three in two minutes: minutes without any say nothing."""

    def seen(minute: int, chance: random.Random) -> float | None:
        requests, limit = 0, math.exp(-1.5)
        product = chance.random()
        while product > limit:
            requests, product = requests + 1, product * chance.random()
        return _failed(failing(minute), chance, requests) if requests else None

    return seen


def _silent_after(
    onset: int, failing: Callable[[int], float]
) -> Callable[[int, random.Random], float | None]:
    return lambda minute, chance: None if minute >= onset else _failed(failing(minute), chance)


def _steady(share: float) -> Callable[[int], float]:
    return lambda _minute: share


def _step(minute: int) -> float:
    return 0.5 if minute >= ONSET else 0.0005


def _drift(minute: int) -> float:
    return 0.0005 + max(0.0, min(0.4, 0.4 * (minute - ONSET) / 60))


def _flapping(minute: int) -> float:
    return 0.8 if minute >= ONSET and (minute - ONSET) // 3 % 2 == 0 else 0.0005


def _one_bad_minute(minute: int) -> float:
    return 0.009 if minute == ONSET else 0.0005


def _one_flaky_check(minute: int, chance: random.Random) -> float:
    return _failed(0.0005, chance, CHECKS - 1) + float(minute % 2 == 0)


SILENT = "broken and silent, missing data is missing"
QUIET, NOISY = _steady(0.0005), _steady(0.005)
SHAPES = (
    Shape("healthy, quiet", QUIET, _checked(QUIET)),
    Shape("healthy, noisy", NOISY, _checked(NOISY)),
    Shape("healthy, one spike", _one_bad_minute, _checked(lambda m: 0.9 if m == ONSET else 0.0005)),
    Shape("healthy, one check fails every other minute", QUIET, _one_flaky_check),
    Shape("healthy, a fifth of the data missing", QUIET, _checked(QUIET, lost=0.2)),
    Shape("healthy, low traffic", NOISY, _few(NOISY)),
    Shape("broken by a step", _step, _checked(_step), broken=True),
    Shape("broken by a slow drift", _drift, _checked(_drift), broken=True),
    Shape("broken every other three minutes", _flapping, _checked(_flapping), broken=True),
    Shape("broken, two fifths of the data missing", _step, _checked(_step, lost=0.4), broken=True),
    Shape("broken, low traffic", _step, _few(_step), broken=True),
    Shape(SILENT, _step, _silent_after(ONSET, _step), broken=True),
    Shape(
        "broken and silent, missing data is breaching",
        _step,
        _silent_after(ONSET, _step),
        broken=True,
        missing="breaching",
    ),
)
