"""aws_cloudwatch_metric_alarm and aws_cloudwatch_composite_alarm."""

from __future__ import annotations

from typing import Any, ClassVar

from tf.schema import Attribute
from tf.types import Bool, Map, Number, Set, String

from sandbox.provider_resources.aws_resource import AwsResource, State, computed, text
from sandbox.provider_resources.clients import client

_ACTIONS = {"alarm_actions": "AlarmActions", "ok_actions": "OKActions"}
_METRIC = {
    "namespace": "Namespace",
    "metric_name": "MetricName",
    "statistic": "Statistic",
    "comparison_operator": "ComparisonOperator",
    "treat_missing_data": "TreatMissingData",
}
_NUMBERS = {"threshold": "Threshold", "period": "Period", "evaluation_periods": "EvaluationPeriods"}


def _shared() -> list[Attribute]:
    actions = [Attribute(name, Set(String()), optional=True) for name in _ACTIONS]
    return [
        text("alarm_name", required=True, requires_replace=True),
        text("alarm_description", optional=True),
        Attribute("actions_enabled", Bool(), optional=True, computed=True, default=True),
        Attribute("tags", Map(String()), optional=True),
        *actions,
        *computed("arn"),
    ]


class _Alarm(AwsResource):
    """What both kinds share: putting one again replaces it."""

    SERVICE, KEY = "CloudWatch", "alarm_name"
    LIST: ClassVar[str]
    KIND: ClassVar[str]

    def put(self, planned: State) -> None:
        """Create or replace it."""
        raise NotImplementedError

    def special(self, now: dict[str, Any]) -> State:
        """The attributes only this kind has."""
        raise NotImplementedError

    def make(self, planned: State) -> State:
        """Create it."""
        self.put(planned)
        return self.look({**planned, "id": planned["alarm_name"]}) or planned

    def look(self, current: State) -> State | None:
        """Read it."""
        answer = client("cloudwatch").describe_alarms(AlarmNames=[current["id"]], AlarmTypes=[self.KIND])
        if not answer[self.LIST]:
            return None
        now = answer[self.LIST][0]
        actions = {name: now.get(key) or None for name, key in _ACTIONS.items()}
        return {
            **current,
            **actions,
            **self.special(now),
            "alarm_name": now["AlarmName"],
            "alarm_description": now.get("AlarmDescription") or None,
            "actions_enabled": now["ActionsEnabled"],
            "arn": now["AlarmArn"],
        }

    def change(self, current: State, planned: State) -> State:
        """Replace it; its state stays."""
        self.put(planned)
        return planned

    def remove(self, current: State) -> None:
        """Delete it."""
        client("cloudwatch").delete_alarms(AlarmNames=[current["id"]])


class MetricAlarm(_Alarm):
    """An alarm over one metric."""

    TYPE, NOUN = "cloudwatch_metric_alarm", "CloudWatch Metric Alarm"
    LIST, KIND = "MetricAlarms", "MetricAlarm"
    ATTRIBUTES = [
        *_shared(),
        *(
            text(name, required=name == "comparison_operator", optional=name != "comparison_operator")
            for name in _METRIC
        ),
        *(
            Attribute(
                name, Number(), required=name == "evaluation_periods", optional=name != "evaluation_periods"
            )
            for name in _NUMBERS
        ),
        Attribute("dimensions", Map(String()), optional=True),
    ]

    def put(self, planned: State) -> None:
        """Create or replace it."""
        client("cloudwatch").put_metric_alarm(
            **_common(planned),
            **{key: planned[name] for name, key in _METRIC.items() if planned[name] is not None},
            **{key: planned[name] for name, key in _NUMBERS.items() if planned[name] is not None},
            Dimensions=[
                {"Name": name, "Value": value} for name, value in (planned["dimensions"] or {}).items()
            ],
        )

    def special(self, now: dict[str, Any]) -> State:
        """The metric and its threshold."""
        dimensions = {entry["Name"]: entry["Value"] for entry in now.get("Dimensions", [])}
        return {name: now.get(key) for name, key in (_METRIC | _NUMBERS).items()} | {
            "dimensions": dimensions or None
        }


class CompositeAlarm(_Alarm):
    """An alarm over other alarms."""

    TYPE, NOUN = "cloudwatch_composite_alarm", "CloudWatch Composite Alarm"
    LIST, KIND = "CompositeAlarms", "CompositeAlarm"
    ATTRIBUTES = [*_shared(), text("alarm_rule", required=True)]

    def put(self, planned: State) -> None:
        """Create or replace it."""
        client("cloudwatch").put_composite_alarm(**_common(planned), AlarmRule=planned["alarm_rule"])

    def special(self, now: dict[str, Any]) -> State:
        """The rule."""
        return {"alarm_rule": now["AlarmRule"]}


def _common(planned: State) -> dict[str, Any]:
    described = {"AlarmDescription": planned["alarm_description"]} if planned["alarm_description"] else {}
    return {
        "AlarmName": planned["alarm_name"],
        "ActionsEnabled": bool(planned["actions_enabled"]),
        **{key: list(planned[name] or []) for name, key in _ACTIONS.items()},
        **described,
    }
