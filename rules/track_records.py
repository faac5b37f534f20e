"""What many incidents say together: how often they were recovered, how long each part took, what was lost.

Every figure comes with how many it was measured on, and a share or a median with the range it lies in (95 %).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rules.outcomes import Ending, Phase
from rules.promises import PROMISES
from rules.values import Frozen

_SURE = 1.96
"""Standard deviations to either side of 95 %."""

TOLD_PHASES = (Phase.DETECT, Phase.DECIDE, Phase.ACT, Phase.VERIFY)
_TRIED = frozenset({Ending.RECOVERED, Ending.NOT_RECOVERED, Ending.UNDO_FAILED})

DEPLOYMENTS_THAT_FAIL = frozenset(
    {
        "canary-failure",
        "preprod-terraform-failure",
        "production-deploy-failure",
        "rollback-failure",
        "stack-rollback",
    }
)
"""Scenarios that begin with a deployment: DORA counts these."""


class Past(Frozen):
    """One closed incident, rehearsals left out. Times are UTC, the rest seconds."""

    scenario: str
    environment: str
    ending: Ending
    opened_at: datetime
    closed_at: datetime
    occurred_at: datetime | None = None
    """When the alarm's own clock says that it began; None: a person started it."""
    phases: dict[str, float] = {}
    parameters: dict[str, str] = {}
    drill: bool = False
    """Whether it was a failure on purpose."""
    restore_age: float | None = None
    """How old the data was that took the place of what was there; None: none was replaced."""
    foretold: tuple[bool, ...] = ()
    """Of each plan that was carried out with a prediction: whether it stayed within it."""
    waits: tuple[float, ...] = ()
    """How long each approval was waited for."""

    @property
    def to_recover(self) -> float:
        """From the alarm, or the opening, to the end."""
        return max(0.0, (self.closed_at - (self.occurred_at or self.opened_at)).total_seconds())


class Share(Frozen):
    """A part of a whole, and the range it lies in."""

    good: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """From 0 to 1; None where nothing was counted."""
        return self.good / self.of if self.of else None


class Durations(Frozen):
    """How long something took, in seconds: the middle one, the range the true middle lies in, the slowest of twenty."""

    count: int
    median: float
    low: float
    high: float
    p95: float


class Record(Frozen):
    """One scenario in one environment."""

    environment: str
    scenario: str
    incidents: int
    recovered: Share
    """Of those that were tried: refused ones and false starts are no tries."""
    refused: int
    false_starts: Share
    """Alarms after which nothing was wrong, of all alarms."""
    phases: dict[str, Durations]
    to_recover: Durations | None
    """Of the recovered ones, from the alarm or the opening to the end."""
    promised: float
    in_time: Share
    """Of the recovered ones, those within the promise."""
    restore_age: Durations | None
    foretold: Share
    """Plans that took no longer than was predicted, of those with a prediction that were proven."""
    waits: Durations | None


class Delivery(Frozen):
    """DORA's two figures about failing, of one environment."""

    environment: str
    deployments: int
    """Releases that were recorded."""
    change_failures: Share
    recovery: Durations | None


def share(good: int, of: int) -> Share:
    """A part of a whole with Wilson's range, which stays honest for few and near the ends."""
    if not of:
        return Share(good=0, of=0, low=0.0, high=1.0)
    part, squared = good / of, _SURE**2
    middle = (part + squared / (2 * of)) / (1 + squared / of)
    reach = _SURE * math.sqrt(part * (1 - part) / of + squared / (4 * of**2)) / (1 + squared / of)
    return Share(good=good, of=of, low=max(0.0, middle - reach), high=min(1.0, middle + reach))


def durations(seconds: Iterable[float]) -> Durations | None:
    """Median, its range by rank, and the 95th percentile; None of nothing."""
    told = sorted(seconds)
    if not told:
        return None
    count = len(told)
    reach = _SURE * math.sqrt(count) / 2
    first, last = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    return Durations(
        count=count,
        median=percentile(told, 0.5),
        low=told[max(0, first - 1)],
        high=told[min(count - 1, last)],
        p95=percentile(told, 0.95),
    )


def percentile(ordered: Sequence[float], part: float) -> float:
    """Between the two nearest ranks, in proportion."""
    place = part * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def records(past: Iterable[Past]) -> list[Record]:
    """One record for each scenario in each environment, in order."""
    grouped: dict[tuple[str, str], list[Past]] = defaultdict(list)
    for each in past:
        grouped[each.environment, each.scenario].append(each)
    return [_record(*pair, grouped[pair]) for pair in sorted(grouped)]


def _record(environment: str, scenario: str, past: Sequence[Past]) -> Record:
    recovered = recovered_of(past)
    promise = PROMISES.get(scenario)
    limit = promise.seconds if promise else 0.0
    taken = [each.to_recover for each in recovered]
    found = {
        phase.value: durations(each.phases[phase.value] for each in recovered if phase.value in each.phases)
        for phase in TOLD_PHASES
    }
    return Record(
        environment=environment,
        scenario=scenario,
        incidents=len(past),
        recovered=recovered_share(past),
        refused=sum(each.ending is Ending.REFUSED for each in past),
        false_starts=false_starts(past),
        phases={name: each for name, each in found.items() if each},
        to_recover=durations(taken),
        promised=limit,
        in_time=share(sum(each <= limit for each in taken), len(taken)),
        restore_age=durations(each.restore_age for each in past if each.restore_age is not None),
        foretold=foretold(past),
        waits=durations(wait for each in past for wait in each.waits),
    )


def recovered_of(past: Iterable[Past]) -> list[Past]:
    """Those that ended well, because of what was done."""
    return [each for each in past if each.ending is Ending.RECOVERED]


def recovered_share(past: Sequence[Past]) -> Share:
    """Recovered ones, of those that were tried."""
    return share(len(recovered_of(past)), sum(each.ending in _TRIED for each in past))


def recovered_total(found: Iterable[Record]) -> Share:
    """Recovered ones of several records together."""
    told = [each.recovered for each in found]
    return share(sum(each.good for each in told), sum(each.of for each in told))


def foretold(past: Iterable[Past]) -> Share:
    """Plans that took no longer than was predicted."""
    told = [within for each in past for within in each.foretold]
    return share(sum(told), len(told))


def false_starts(past: Sequence[Past]) -> Share:
    """Alarms after which nothing was wrong, of all alarms but those of drills."""
    alarmed = [each for each in past if each.occurred_at is not None and not each.drill]
    return share(sum(each.ending is Ending.NOTHING_TO_DO for each in alarmed), len(alarmed))


def deliveries(past: Sequence[Past], deployments: Mapping[str, int]) -> list[Delivery]:
    """Failed deployments of each environment that has any; `deployments`: releases recorded, by environment."""
    failed: dict[str, list[Past]] = defaultdict(list)
    for each in past:
        if each.drill or each.ending is Ending.NOTHING_TO_DO:
            continue
        if each.scenario in DEPLOYMENTS_THAT_FAIL:
            failed[each.environment].append(each)
    return [
        Delivery(
            environment=name,
            deployments=deployments.get(name, 0),
            # One that never got as far as being recorded was a deployment too.
            change_failures=share(len(failed[name]), len(failed[name]) + deployments.get(name, 0)),
            recovery=durations(each.to_recover for each in recovered_of(failed[name])),
        )
        for name in sorted({*failed, *deployments})
    ]
