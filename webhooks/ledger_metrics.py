"""What the ledger says at the moment of the scrape: alarms, incidents, phases, readiness, backups."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from ledger import alarms, figures, newest_backups, readiness
from ledger.database import Ledger
from rules.readiness import State

BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds; the runbooks promise 45 s to 30 minutes."""

_OVERLAP = timedelta(minutes=10)
"""An incident's closing may be seen so long after its time: its transaction was still open, or a clock differs."""


class LedgerMetrics(Collector):
    """Reads the ledger at each scrape. Closed incidents do not change: each is read once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._turn = threading.Lock()
        self._until: datetime | None = None
        self._recent: dict[str, datetime] = {}
        self._phases: dict[tuple[str, ...], _Durations] = {}
        self._whole: dict[tuple[str, ...], _Durations] = {}

    def describe(self) -> list[Metric]:
        """Nothing to check beforehand: without this the registry would read the ledger when it is made."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the ledger now. An unreadable one shows as `backstop_ledger_up 0` alone."""
        up = GaugeMetricFamily("backstop_ledger_up", "Whether the ledger could be read.")
        try:
            with self._turn, self._ledger.reading() as session:
                families = [
                    *_alarms(session),
                    *self._incidents(session),
                    *_readiness(session),
                    *_backups(session),
                ]
        except Exception:  # noqa: BLE001 - the counters are worth having while the ledger is away
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from families

    def _incidents(self, session: Session) -> Iterator[Metric]:
        self._absorb(session)
        labels = ["scenario", "environment"]
        ended = GaugeMetricFamily(
            "backstop_incidents", "Incidents, rehearsals left out.", labels=[*labels, "ending"]
        )
        for key, number in figures.by_ending(session).items():
            ended.add_metric(list(key), number)
        yield ended
        age = GaugeMetricFamily(
            "backstop_open_incident_seconds",
            "How long the oldest open incident has been open.",
            labels=labels,
        )
        for pair, opened in figures.oldest_open(session).items():
            age.add_metric(list(pair), (datetime.now(UTC) - opened).total_seconds())
        yield age
        yield _histogram(
            "backstop_phase_seconds",
            "Seconds that closed incidents spent in each phase, over all runs.",
            ["scenario", "phase"],
            self._phases,
        )
        yield _histogram(
            "backstop_incident_seconds",
            "Seconds from an incident's opening to its end.",
            ["scenario", "ending"],
            self._whole,
        )

    def _absorb(self, session: Session) -> None:
        """Count the incidents that were closed since the last look."""
        after = self._until - _OVERLAP if self._until else None
        for row in figures.closed_after(session, after):
            if row.id in self._recent:
                continue
            self._recent[row.id] = row.closed_at
            self._until = max(self._until or row.closed_at, row.closed_at)
            taken = (row.closed_at - row.opened_at).total_seconds()
            self._whole.setdefault((row.scenario, row.ending or ""), _Durations()).add(taken)
            for phase, seconds in (row.seconds or {}).items():
                self._phases.setdefault((row.scenario, str(phase)), _Durations()).add(float(seconds))
        if self._until:
            kept = self._until - 2 * _OVERLAP
            self._recent = {one: closed for one, closed in self._recent.items() if closed > kept}


class _Durations:
    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


def _histogram(
    name: str, told: str, labels: list[str], found: dict[tuple[str, ...], _Durations]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, told, labels=labels)
    for key, durations in sorted(found.items()):
        buckets, total = [], 0
        for edge, number in zip((*map(str, BUCKETS), "+Inf"), durations.counts, strict=True):
            total += number
            buckets.append((edge, float(total)))
        family.add_metric(list(key), buckets=buckets, sum_value=durations.sum)
    return family


def _alarms(session: Session) -> Iterator[Metric]:
    kept = GaugeMetricFamily("backstop_alarms", "Alarms in the ledger.", labels=["source", "state"])
    for (source, state), number in alarms.by_state(session).items():
        kept.add_metric([source, state], number)
    yield kept
    waits = GaugeMetricFamily("backstop_alarm_wait_seconds", "How long the oldest stored alarm has waited.")
    oldest = alarms.oldest_waiting(session)
    waits.add_metric([], (datetime.now(UTC) - oldest).total_seconds() if oldest else 0)
    yield waits


def _readiness(session: Session) -> Iterator[Metric]:
    labels = ["environment", "scenario"]
    states = GaugeMetricFamily(
        "backstop_readiness",
        "Whether a recovery would work: 1 for the state it is in.",
        labels=[*labels, "state"],
    )
    looked = GaugeMetricFamily(
        "backstop_readiness_looked_timestamp_seconds", "When readiness was last looked at.", labels=labels
    )
    for row in readiness.listed(session):
        for state in State:
            states.add_metric([row.environment, row.scenario, state.value], float(row.state == state.value))
        looked.add_metric([row.environment, row.scenario], row.checked_at.timestamp())
    yield states
    yield looked


def _backups(session: Session) -> Iterator[Metric]:
    newest = GaugeMetricFamily(
        "backstop_newest_backup_timestamp_seconds",
        "When the newest backup was begun: what is younger would be lost.",
        labels=["environment"],
    )
    for row in newest_backups.listed(session):
        newest.add_metric([row.environment], row.began_at.timestamp())
    yield newest
