"""What moto's CloudWatch lacks: composite alarms, alarm history, the type filter, states that begin as unknown."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from typing import Any

_COMPOSITE, _METRIC = "CompositeAlarm", "MetricAlarm"


def install() -> None:
    """Add them to moto in this process."""
    from moto.cloudwatch import models, responses

    _begin_without_data(models)
    _answer_more_calls(responses)


def _begin_without_data(models: Any) -> None:
    before = models.CloudWatchBackend.put_metric_alarm

    def put_metric_alarm(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """A new alarm knows nothing yet; a changed one keeps its state and history."""
        old = self.alarms.get(name)
        alarm = before(self, name, *args, **kwargs)
        if old is None:
            alarm.state_value = "INSUFFICIENT_DATA"
        else:
            for kept in (
                "state_value",
                "state_reason",
                "state_reason_data",
                "state_updated_timestamp",
                "history",
            ):
                setattr(alarm, kept, getattr(old, kept))
        alarm.alarm_rule = alarm.rule
        return alarm

    models.CloudWatchBackend.put_metric_alarm = put_metric_alarm


def _answer_more_calls(responses: Any) -> None:
    from moto.core.responses import ActionResult

    answers = responses.CloudWatchResponse
    describe = answers.describe_alarms

    def put_composite_alarm(self: Any) -> Any:
        return self.put_metric_alarm()

    def describe_alarms(self: Any) -> Any:
        found: dict[str, list[Any]] = dict(describe(self)._result)  # noqa: SLF001 - the only place where it is
        wanted = self._get_param("AlarmTypes", []) or [_METRIC]
        prefix, names, state = (
            self._get_param(key) for key in ("AlarmNamePrefix", "AlarmNames", "StateValue")
        )

        def fits(alarm: Any) -> bool:
            return (
                (not prefix or alarm.name.startswith(prefix))
                and (not names or alarm.name in names)
                and (not state or alarm.state_value == state)
            )

        kinds = {"MetricAlarms": _METRIC, "CompositeAlarms": _COMPOSITE}
        return ActionResult(
            {key: [a for a in found[key] if kind in wanted and fits(a)] for key, kind in kinds.items()}
        )

    def describe_alarm_history(self: Any) -> Any:
        name, prefix = self._get_param("AlarmName"), ""
        alarms = [
            a for a in self.cloudwatch_backend.alarms.values() if (a.name == name if name else prefix == "")
        ]
        items = [item for alarm in alarms for item in _history(alarm)]
        newest_first = self._get_param("ScanBy", "TimestampDescending") == "TimestampDescending"
        items.sort(key=lambda item: item["Timestamp"], reverse=newest_first)
        return ActionResult({"AlarmHistoryItems": items[: int(self._get_param("MaxRecords", 100) or 100)]})

    answers.put_composite_alarm = put_composite_alarm
    answers.describe_alarms = describe_alarms
    answers.describe_alarm_history = describe_alarm_history


def _history(alarm: Any) -> list[dict[str, Any]]:
    """One item per change of state. moto keeps the state that each change ended."""
    states: list[tuple[str, str, datetime]] = [(kept[3], kept[1], kept[4]) for kept in alarm.history]
    states.append((alarm.state_value, alarm.state_reason, alarm.state_updated_timestamp))
    items = []
    for (old, _, _), (new, reason, at) in pairwise(states):
        if old == new:
            continue
        data = {
            "version": "1.0",
            "oldState": {"stateValue": old},
            "newState": {"stateValue": new, "stateReason": reason},
        }
        items.append(
            {
                "AlarmName": alarm.name,
                "AlarmType": _COMPOSITE if alarm.rule else _METRIC,
                "Timestamp": at,
                "HistoryItemType": "StateUpdate",
                "HistorySummary": f"Alarm updated from {old} to {new}",
                "HistoryData": json.dumps(data),
            }
        )
    return items
