"""An alarm as the ledger keeps it: where the routes lead it, redacted. The same whoever heard of it, and how."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from pydantic import JsonValue

from flows._catalogue import scenarios
from ledger.alarms import NewAlarm, new_id
from rules.alarms import Alarm
from rules.redaction import redact
from rules.triggers import AlarmRoutes, Route, route


def routed(alarm: Alarm, table: AlarmRoutes, now: datetime) -> NewAlarm:
    """The alarm to keep: `stored` with scenario and environment, or `ignored` with the reason."""
    led = route(alarm, table)
    to = led.route
    return NewAlarm(
        id=new_id(now),
        source=alarm.source,
        external_id=alarm.external_id,
        received_at=now,
        occurred_at=alarm.occurred_at,
        name=_redacted(alarm.name),
        status=alarm.status.value,
        state="stored" if to else "ignored",
        body={
            "account": alarm.account,
            "region": alarm.region,
            "summary": _redacted(alarm.summary),
            "labels": _redacted_labels(tuple(alarm.labels.items())),
        },
        scenario=to.scenario if to else None,
        environment=to.environment if to else None,
        parameters=_parameters(to, alarm) if to else {},
        error=led.reason,
    )


@lru_cache(maxsize=1024)
def _redacted(text: str) -> str:
    """In a storm the same few texts come again and again; redacting is most of a delivery's cost."""
    return redact(text)


@lru_cache(maxsize=1024)
def _redacted_labels(labels: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return redact(dict(labels))


def _parameters(to: Route, alarm: Alarm) -> dict[str, JsonValue]:
    labels = {label: _redacted(alarm.labels.get(label, "")) for label in to.handed_on.values()}
    numbers = next((known.whole_numbers for known in scenarios() if known.name == to.scenario), frozenset())
    return to.given(labels, numbers)
