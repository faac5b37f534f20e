"""CloudWatch alarms, metric and composite."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from blocks.aws_errors import translated
from blocks.environment import Environment
from ledger.cases import current_case
from rules.alarm_evidence import AlarmDefinition, Missing
from rules.errors import RecoveryRefused
from rules.health import Alarm, AlarmState
from rules.outcomes import Effect
from rules.redaction import redact
from rules.values import Frozen
from tasks.kinds import action, probe

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

_LONGEST_REASON = 1023
_PLAIN_STATISTICS = {"SampleCount", "Average", "Sum", "Minimum", "Maximum"}


class AlarmEvidence(Frozen):
    """An alarm and what its metric said in the periods it looks at, oldest first; `at` is when it was read, UTC."""

    alarm: AlarmDefinition
    points: tuple[float, ...]
    at: datetime


@probe
def alarm_states(environment: Environment) -> list[Alarm]:
    """Every alarm that speaks for the service, by its prefix; empty when the platform names no prefix.

    Both types are asked for by name: without it CloudWatch answers with metric alarms only.

    Permissions: cloudwatch:DescribeAlarms
    """
    prefix = environment.lambda_platform.alarm_prefix
    if not prefix:
        return []
    found: list[Alarm] = []
    with translated(f"read the alarms {prefix}*"):
        pages = environment.aws.client("cloudwatch").get_paginator("describe_alarms")
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


@probe
def alarm_evidence(environment: Environment, name: str) -> AlarmEvidence:
    """One alarm's definition and state, and the points of its metric that it judges.

    Permissions: cloudwatch:DescribeAlarms, cloudwatch:GetMetricStatistics

    Raises:
        RecoveryRefused: there is no such alarm.
    """
    client = environment.aws.client("cloudwatch")
    with translated(f"read the alarm {name}"):
        alarm = _definition(environment, client, name)
        now = datetime.now(UTC)
        points = _points(client, alarm, now) if alarm.metric else ()
    return AlarmEvidence(alarm=alarm, points=points, at=now)


def _definition(environment: Environment, client: CloudWatchClient, name: str) -> AlarmDefinition:
    answer = client.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    found: list[Mapping[str, Any]] = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    if not found:
        others = ", ".join(alarm.name for alarm in alarm_states.fn(environment)[:8])
        raise RecoveryRefused(
            f"There is no alarm {name} in {environment.name}.",
            hint=f"Alarms of this environment: {others or 'none is known; check its alarm prefix'}.",
        )
    told = found[0]
    return AlarmDefinition(
        name=name,
        state=AlarmState(told["StateValue"]),
        since=told["StateUpdatedTimestamp"].astimezone(UTC),
        reason=told.get("StateReason", ""),
        actions_enabled=told.get("ActionsEnabled", True),
        rule=told.get("AlarmRule") or "",
        namespace=told.get("Namespace") or "",
        metric=told.get("MetricName") or "",
        dimensions={each["Name"]: each["Value"] for each in told.get("Dimensions", ())},
        statistic=told.get("Statistic") or told.get("ExtendedStatistic") or "",
        comparison=told.get("ComparisonOperator") or "",
        threshold=told.get("Threshold"),
        period_seconds=int(told.get("Period") or 60),
        evaluation_periods=int(told.get("EvaluationPeriods") or 1),
        missing=Missing(told.get("TreatMissingData") or "missing"),
    )


def _points(client: CloudWatchClient, alarm: AlarmDefinition, now: datetime) -> tuple[float, ...]:
    plain = alarm.statistic in _PLAIN_STATISTICS
    # CloudWatch keeps points by whole periods: the one that runs now, and those that an evaluation looks at.
    period = alarm.period_seconds
    end = datetime.fromtimestamp((now.timestamp() // period + 1) * period, UTC)
    wanted: dict[str, Any] = {"Statistics" if plain else "ExtendedStatistics": [alarm.statistic]}
    answer = client.get_metric_statistics(
        Namespace=alarm.namespace,
        MetricName=alarm.metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in alarm.dimensions.items()],
        StartTime=end - timedelta(seconds=alarm.window_seconds + period),
        EndTime=end,
        Period=period,
        **wanted,
    )
    in_order: list[Any] = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    return tuple(
        float(point[alarm.statistic] if plain else point["ExtendedStatistics"][alarm.statistic])
        for point in in_order
    )


@action(subject="{name}")
def set_alarm_ok(environment: Environment, name: str, reason: str) -> Effect:
    """Set an alarm's state to OK, with a reason in its history. Repeating it changes nothing.

    It lasts until CloudWatch evaluates it to something else: verify one period later.

    Permissions: cloudwatch:DescribeAlarms, cloudwatch:SetAlarmState
    """
    client = environment.aws.client("cloudwatch")
    with translated(f"set the alarm {name} to OK"):
        before = _definition(environment, client, name).state
        if before is AlarmState.OK:
            return Effect(subject=name, changed=False, before=before, after="OK", detail="it is OK already")
        case = current_case.get()
        told = f"{redact(reason)} (set by Backstop, {case.incident_id if case else 'no incident'})"
        client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason=told[:_LONGEST_REASON])
    return Effect(subject=name, changed=True, before=before, after="OK")


@action(subject="{name} actions")
def enable_alarm_actions(environment: Environment, name: str) -> Effect:
    """Let an alarm tell people again. Repeating it changes nothing.

    Permissions: cloudwatch:DescribeAlarms, cloudwatch:EnableAlarmActions
    """
    client = environment.aws.client("cloudwatch")
    with translated(f"enable the actions of the alarm {name}"):
        if _definition(environment, client, name).actions_enabled:
            return Effect(subject=name, changed=False, after="enabled", detail="they are enabled already")
        client.enable_alarm_actions(AlarmNames=[name])
    return Effect(subject=name, changed=True, before="disabled", after="enabled")
