"""Alarms that are asked for, told as their senders would have delivered them: one reader for both ways."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

MOST_ALERTS = 500
"""Alerts in one delivery."""

_ACCOUNT = re.compile(r"^arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:(\d{12}):alarm:")


def speaks(described: Mapping[str, Any]) -> bool:
    """Whether CloudWatch would have told anybody: an alarm that somebody muted starts nothing here either."""
    return bool(described.get("ActionsEnabled", True)) and not described.get("ActionsSuppressedBy")


def as_published(described: Mapping[str, Any]) -> str:
    """An alarm of DescribeAlarms as the message that CloudWatch publishes when it changes its state."""
    arn = str(described.get("AlarmArn", ""))
    account = _ACCOUNT.match(arn)
    # The other time also moves when only the evaluation's state changes: that is no new alarm.
    changed: datetime = described.get("StateTransitionedTimestamp") or described["StateUpdatedTimestamp"]
    told: dict[str, JsonValue] = {
        "AlarmName": described["AlarmName"],
        "AlarmArn": arn,
        "AWSAccountId": account[1] if account else "",
        "NewStateValue": described["StateValue"],
        "NewStateReason": described.get("StateReason", ""),
        "StateChangeTime": changed.astimezone(UTC).isoformat(),
    }
    if rule := described.get("AlarmRule"):
        told["AlarmRule"] = rule
    else:
        told["Trigger"] = {
            "MetricName": described.get("MetricName") or "",
            "Namespace": described.get("Namespace") or "",
            "Dimensions": [
                {"name": each["Name"], "value": each["Value"]} for each in described.get("Dimensions") or ()
            ],
        }
    return json.dumps(told)


def as_delivered(alerts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Alertmanager's list of alerts as its webhook would deliver them: the same fingerprint and start."""
    kept = ("labels", "annotations", "startsAt", "fingerprint")
    told = [{key: each[key] for key in kept if key in each} | {"status": "firing"} for each in alerts]
    for start in range(0, len(told), MOST_ALERTS):
        yield json.dumps({"version": "4", "alerts": told[start : start + MOST_ALERTS]})
