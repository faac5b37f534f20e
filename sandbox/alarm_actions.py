"""What moto's CloudWatch leaves out of a change of state: the alarm's topics are told, whoever changed it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox import sns
from sandbox.places import ACCOUNT, REGION

if TYPE_CHECKING:
    from sandbox.places import Home

_REGION_NAME = "US East (N. Virginia)"


def install(home: Home) -> None:
    """Add it to moto in this process."""
    from moto.cloudwatch import models

    _tell_of_changes(models, home)


def _tell_of_changes(models: Any, home: Home) -> None:
    before = models.CloudWatchBackend.set_alarm_state
    # Each message by itself: a receiver that is down holds up nobody.
    senders = ThreadPoolExecutor(max_workers=8, thread_name_prefix="alarm-action")

    def set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        old = self.alarms[alarm_name].state_value if alarm_name in self.alarms else ""
        before(self, alarm_name, reason, reason_data, state_value)
        alarm = self.alarms[alarm_name]
        if old == state_value or not alarm.actions_enabled:
            return
        text = json.dumps(_told(alarm, old))
        for topic in _actions(alarm).get(state_value, ()):
            subject = f'{state_value}: "{alarm_name}" in {_REGION_NAME}'
            senders.submit(sns.publish, home, topic, text, subject=subject)

    models.CloudWatchBackend.set_alarm_state = set_alarm_state


def _actions(alarm: Any) -> dict[str, list[str]]:
    return {
        "ALARM": alarm.alarm_actions or [],
        "OK": alarm.ok_actions or [],
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions or [],
    }


def _told(alarm: Any, old: str) -> dict[str, Any]:
    """The alarm as CloudWatch words it for its actions."""
    actions = _actions(alarm)
    told = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": ACCOUNT,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": _REGION_NAME,
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm.name}",
        "OldStateValue": old,
        "OKActions": actions["OK"],
        "AlarmActions": actions["ALARM"],
        "InsufficientDataActions": actions["INSUFFICIENT_DATA"],
    }
    if alarm.rule:
        return told | {"AlarmRule": alarm.rule}
    trigger = {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": "Statistic",
        "Statistic": str(alarm.statistic or "").upper(),
        "Dimensions": [{"name": each.name, "value": each.value} for each in alarm.dimensions],
        "Period": int(alarm.period),
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
    }
    return told | {"Trigger": trigger}
