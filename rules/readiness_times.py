"""For how long a recovery would have worked: readiness over time, of what was seen at each look.

What was seen holds until the next look, for an hour at most: nobody can tell how it was while nobody looked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from rules.readiness import State
from rules.values import Frozen

HOLDS = timedelta(hours=1)
"""Two of the half hours between looks: one that is skipped leaves no hole."""


class Span(Frozen):
    """One scenario in one environment, seen in the same state from the first look to the last one. Times are UTC."""

    environment: str
    scenario: str
    state: State
    since: datetime
    looked_at: datetime


class ReadyTime(Frozen):
    """How one scenario stood in one environment over a time, in seconds."""

    environment: str
    scenario: str
    ready: float
    not_ready: float
    unknown: float
    """It could not be looked at, or nobody looked."""

    @property
    def share(self) -> float | None:
        """The ready part, from 0 to 1; what is unknown is not ready. None: it was never looked at."""
        whole = self.ready + self.not_ready + self.unknown
        return self.ready / whole if whole else None


def goes_on(span: Span, state: State, at: datetime) -> bool:
    """Whether a look that sees this state belongs to the span, or begins another one."""
    return span.state is state and at - span.looked_at <= HOLDS


def ready_times(
    spans: Iterable[Span], first_looks: Mapping[tuple[str, str], datetime], since: datetime, until: datetime
) -> list[ReadyTime]:
    """How each scenario stood between two moments, from its first look ever on; in order."""
    grouped: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        grouped[span.environment, span.scenario].append(span)
    return [
        _ready_time(
            *pair,
            sorted(grouped[pair], key=lambda span: span.since),
            max(since, first_looks[pair]),
            until,
        )
        for pair in sorted(grouped)
    ]


def _ready_time(
    environment: str, scenario: str, spans: list[Span], begin: datetime, until: datetime
) -> ReadyTime:
    seconds = dict.fromkeys(State, 0.0)
    ends = [min(span.looked_at + HOLDS, after.since) for span, after in pairwise(spans)]
    for span, end in zip(spans, [*ends, spans[-1].looked_at + HOLDS], strict=True):
        within = (min(end, until) - max(span.since, begin)).total_seconds()
        seconds[span.state] += max(0.0, within)
    whole = (until - begin).total_seconds()
    return ReadyTime(
        environment=environment,
        scenario=scenario,
        ready=seconds[State.READY],
        not_ready=seconds[State.NOT_READY],
        unknown=max(0.0, whole - seconds[State.READY] - seconds[State.NOT_READY]),
    )
