"""Prometheus metrics: counters of this receiver, and what the ledger says at the moment of the scrape."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from ledger.database import Ledger
from webhooks.ledger_metrics import LedgerMetrics


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
        self.registry.register(LedgerMetrics(ledger))

    def page(self) -> bytes:
        """The text that Prometheus reads. Reads the ledger: call it in a thread."""
        return generate_latest(self.registry)
