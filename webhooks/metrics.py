"""Prometheus metrics: counters of this receiver, and what the ledger says at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from ledger import alarms
from ledger.database import Ledger
from ledger.models import IncidentRow


class Figures:
    """One receiver's metrics, in a registry of their own."""

    def __init__(self, ledger: Ledger) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "backstop_webhook_deliveries",
            "Deliveries answered, by source and result (stored, repeated, ignored, refused-<why>).",
            ["source", "result"],
            registry=self.registry,
        )
        self.dispatches = Counter(
            "backstop_webhook_dispatches",
            "Flow runs asked for, by result (created, repeated, retried, failed, died).",
            ["result"],
            registry=self.registry,
        )
        self.dispatch_seconds = Histogram(
            "backstop_webhook_dispatch_seconds",
            "Seconds from an alarm's arrival until its flow run existed.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
            registry=self.registry,
        )
        self.registry.register(_OfTheLedger(ledger))

    def page(self) -> bytes:
        """The text that Prometheus reads. Reads the ledger: call it in a thread."""
        return generate_latest(self.registry)


class _OfTheLedger(Collector):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> list[Metric]:
        """Nothing to check beforehand: without this the registry would read the ledger when it is made."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the ledger now. An unreadable one shows as `backstop_ledger_up 0` alone."""
        up = GaugeMetricFamily("backstop_ledger_up", "Whether the ledger could be read.")
        try:
            families = list(self._read())
        except Exception:  # noqa: BLE001 - the counters are worth having while the ledger is away
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from families

    def _read(self) -> Iterator[Metric]:
        kept = GaugeMetricFamily("backstop_alarms", "Alarms in the ledger.", labels=["source", "state"])
        waits = GaugeMetricFamily(
            "backstop_alarm_wait_seconds", "How long the oldest stored alarm has waited."
        )
        incidents = GaugeMetricFamily(
            "backstop_incidents",
            "Incidents, rehearsals left out.",
            labels=["scenario", "environment", "ending"],
        )
        with self._ledger.reading() as session:
            for (source, state), number in alarms.by_state(session).items():
                kept.add_metric([source, state], number)
            oldest = alarms.oldest_waiting(session)
            waits.add_metric([], (datetime.now(UTC) - oldest).total_seconds() if oldest else 0)
            columns = (IncidentRow.scenario, IncidentRow.environment, IncidentRow.ending)
            counted = (
                select(*columns, func.count()).where(IncidentRow.rehearsal.is_(False)).group_by(*columns)
            )
            for scenario, environment, ending, number in session.execute(counted):
                incidents.add_metric([scenario, environment, ending or "open"], number)
        yield kept
        yield waits
        yield incidents
