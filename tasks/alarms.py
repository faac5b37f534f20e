"""CloudWatch alarms, metric and composite."""

from __future__ import annotations

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.health import Alarm, AlarmState
from tasks.kinds import probe


@probe
def alarm_states(environment: Environment) -> list[Alarm]:
    """Every alarm that speaks for the service, by its prefix; empty when the platform names no prefix.

    Both types are asked for by name: without it CloudWatch answers with metric alarms only.

    Permissions: cloudwatch:DescribeAlarms
    """
    prefix = environment.platform.alarm_prefix
    if not prefix:
        return []
    found: list[Alarm] = []
    with translated(f"read the alarms {prefix}*"):
        pages = environment.account.client("cloudwatch").get_paginator("describe_alarms")
        for page in pages.paginate(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
            found += [
                Alarm(
                    name=alarm["AlarmName"],
                    state=AlarmState(alarm["StateValue"]),
                    actions_enabled=alarm.get("ActionsEnabled", True),
                    reason=alarm.get("StateReason", ""),
                )
                for alarm in [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
            ]
    return sorted(found, key=lambda alarm: alarm.name)
