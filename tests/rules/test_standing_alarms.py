"""An alarm that is asked for reads exactly as the one that was delivered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.alarms import AlarmStatus, from_alertmanager, from_cloudwatch
from rules.standing_alarms import MOST_ALERTS, as_delivered, as_published, speaks

CHANGED = datetime(2026, 1, 31, 3, 12, tzinfo=UTC)
ARN = "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:prod-errors"


def described(**more: Any) -> dict[str, Any]:
    """An alarm as DescribeAlarms tells it."""
    return {
        "AlarmName": "prod-errors",
        "AlarmArn": ARN,
        "StateValue": "ALARM",
        "StateReason": "Threshold Crossed",
        "StateUpdatedTimestamp": CHANGED + timedelta(minutes=5),
        "StateTransitionedTimestamp": CHANGED,
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "one"}],
        **more,
    }


def test_a_metric_alarm_is_read_as_delivered() -> None:
    """Name, account, region, labels and the moment of the change are those of the message that SNS would bring."""
    alarm = from_cloudwatch(as_published(described()), source="sns")

    assert (alarm.name, alarm.status) == ("prod-errors", AlarmStatus.ALARM)
    assert (alarm.account, alarm.region) == ("111111111111", "eu-west-1")
    assert alarm.occurred_at == CHANGED
    assert alarm.labels == {"FunctionName": "one", "metric": "Errors", "namespace": "AWS/Lambda"}


def test_the_same_change_has_the_same_name() -> None:
    """Looked at again it is the same delivery, also when only its evaluation moved on; the next change is another."""
    first, again, later = (
        from_cloudwatch(as_published(described(**more)), source="sns").external_id
        for more in (
            {},
            {"StateUpdatedTimestamp": CHANGED + timedelta(hours=1)},
            {"StateTransitionedTimestamp": CHANGED + timedelta(hours=1)},
        )
    )

    assert first == again != later


def test_a_composite_alarm_and_one_without_the_newer_time() -> None:
    """A composite alarm is told by its rule; where only the older time is known, that one counts."""
    told = described(AlarmRule="ALARM(x)")
    del told["StateTransitionedTimestamp"]

    alarm = from_cloudwatch(as_published(told), source="sns")

    assert alarm.labels == {"kind": "composite"}
    assert alarm.occurred_at == CHANGED + timedelta(minutes=5)


def test_who_muted_an_alarm_is_heard() -> None:
    """Disabled actions or a suppressor mean that nobody was to be told."""
    assert speaks(described())
    assert not speaks(described(ActionsEnabled=False))
    assert not speaks(described(ActionsSuppressedBy="Alarm"))


def test_alerts_are_named_as_their_webhook_names_them() -> None:
    """An alert that was delivered and is asked for has one external id: the ledger keeps it once."""
    alert = {
        "labels": {"alertname": "CanaryDown", "environment": "prod"},
        "annotations": {"summary": "it is down"},
        "startsAt": "2026-01-31T03:12:00Z",
        "endsAt": "2026-01-31T03:17:00Z",
        "fingerprint": "f1",
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }
    webhook = {"version": "4", "alerts": [{**alert, "status": "firing"}]}

    [asked] = as_delivered([alert])

    [one], [other] = (from_alertmanager(text, source="am") for text in (asked, json.dumps(webhook)))
    assert one == other


def test_many_alerts_are_several_deliveries() -> None:
    """No answer is too long to be read."""
    alerts = [{"labels": {"n": str(n)}, "startsAt": "2026-01-31T03:12:00Z"} for n in range(MOST_ALERTS + 1)]

    read = [len(from_alertmanager(text, source="am")) for text in as_delivered(alerts)]

    assert read == [MOST_ALERTS, 1]
