"""Reading the senders' formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.alarms import AlarmStatus, from_alertmanager, from_cloudwatch, from_generic
from rules.errors import RecoveryRefused

METRIC: dict[str, Any] = {
    "AlarmName": "prod-sentiment-errors",
    "AWSAccountId": "111111111111",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-01-31T03:12:00.123+0000",
    "Region": "EU (Ireland)",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:prod-sentiment-errors",
    "Trigger": {
        "MetricName": "Errors",
        "Namespace": "AWS/Lambda",
        "Dimensions": [{"name": "FunctionName", "value": "prod-sentiment-dashboard"}],
    },
}
COMPOSITE: dict[str, Any] = {
    "AlarmName": "prod-sentiment-canary",
    "AlarmDescription": None,
    "AlarmRule": "ALARM(prod-sentiment-errors)",
    "AWSAccountId": "111111111111",
    "NewStateValue": "ALARM",
    "NewStateReason": "arn:… transitioned to ALARM",
    "StateChangeTime": "2026-01-31T03:12:00.123+0000",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:prod-sentiment-canary",
    "TriggeringChildren": [],
}
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "CanaryFailed", "environment": "prod"},
    "annotations": {"summary": "the canary fails"},
    "startsAt": "2026-01-31T03:12:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "aa11",
}


def group(*alerts: dict[str, Any]) -> str:
    """An Alertmanager delivery."""
    return json.dumps({"version": "4", "groupKey": "{}", "status": "firing", "alerts": alerts})


def test_metric_alarm() -> None:
    """A metric alarm keeps its dimensions, and its region comes from the ARN, not from the display name."""
    alarm = from_cloudwatch(json.dumps(METRIC), source="sns", external_id="m1")

    assert (alarm.name, alarm.status, alarm.account) == ("prod-sentiment-errors", "alarm", "111111111111")
    assert alarm.region == "eu-west-1"
    assert alarm.occurred_at == datetime(2026, 1, 31, 3, 12, 0, 123000, UTC)
    assert alarm.labels == {
        "FunctionName": "prod-sentiment-dashboard",
        "metric": "Errors",
        "namespace": "AWS/Lambda",
    }


def test_composite_alarm() -> None:
    """A composite alarm has no trigger, and is read all the same."""
    alarm = from_cloudwatch(json.dumps(COMPOSITE), source="sns", external_id="m1")

    assert (alarm.status, alarm.labels) == (AlarmStatus.ALARM, {"kind": "composite"})


@pytest.mark.parametrize(
    ("state", "status"), [("ALARM", "alarm"), ("OK", "ok"), ("INSUFFICIENT_DATA", "unknown")]
)
def test_states(state: str, status: str) -> None:
    """Each of CloudWatch's states has its own meaning; insufficient data is not green."""
    assert from_cloudwatch(json.dumps(METRIC | {"NewStateValue": state}), source="sns").status == status


def test_state_change_names_the_delivery() -> None:
    """Sent directly, the same state change has the same id, and the next change another one."""
    first, again = (from_cloudwatch(json.dumps(METRIC), source="direct") for _ in range(2))
    later = METRIC | {"StateChangeTime": "2026-01-31T03:13:00.123+0000"}

    assert first.external_id == again.external_id
    assert from_cloudwatch(json.dumps(later), source="direct").external_id != first.external_id


def test_alertmanager_group() -> None:
    """Every alert of a group is an alarm; resolved ones say ok; a repetition has the same external id."""
    resolved = ALERT | {"status": "resolved", "endsAt": "2026-01-31T03:20:00Z"}
    firing, ended = from_alertmanager(group(ALERT, resolved), source="alertmanager")
    (repeated,) = from_alertmanager(group(ALERT), source="alertmanager")

    assert (firing.name, firing.status, firing.summary) == ("CanaryFailed", "alarm", "the canary fails")
    assert (ended.status, ended.occurred_at.minute) == ("ok", 20)
    assert repeated.external_id == firing.external_id != ended.external_id


def test_generic() -> None:
    """The generic shape is taken as it is."""
    told = {"id": "b-17", "name": "canary-failed", "occurred_at": "2026-01-31T03:12:00+01:00"}
    alarm = from_generic(json.dumps(told), source="pipeline")

    assert (alarm.external_id, alarm.status) == ("b-17", "alarm")
    assert alarm.occurred_at == datetime(2026, 1, 31, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ("not json", "Invalid JSON"),
        ("{}", "AlarmName"),
        (json.dumps(METRIC | {"NewStateValue": "FINE"}), "NewStateValue"),
        (json.dumps(METRIC | {"AWSAccountId": "12"}), "AWSAccountId"),
        (json.dumps(METRIC | {"StateChangeTime": "yesterday"}), "StateChangeTime"),
        ("[" * 100_000, "Invalid JSON"),
    ],
)
def test_not_a_cloudwatch_alarm(told: str, fault: str) -> None:
    """What is not an alarm is one clear error that names the field and does not repeat its value."""
    with pytest.raises(RecoveryRefused, match=fault) as refused:
        from_cloudwatch(told, source="sns")

    assert "yesterday" not in str(refused.value)


def test_a_misspelt_key_is_refused() -> None:
    """The generic shape is ours, so a key that it does not have is an error."""
    told = {"id": "1", "name": "x", "occured_at": "2026-01-31T03:12:00Z"}

    with pytest.raises(RecoveryRefused, match="occur"):
        from_generic(json.dumps(told), source="pipeline")


def test_control_characters_do_not_reach_the_ledger() -> None:
    """PostgreSQL refuses NUL in a text; names and prose come without it."""
    alarm = from_cloudwatch(
        json.dumps(METRIC | {"AlarmName": "a\x00b", "NewStateReason": "x\x00" * 900}), source="sns"
    )

    assert alarm.name == "a b"
    assert len(alarm.summary) == 1000
    assert "\x00" not in alarm.summary


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(told: bytes) -> None:
    """No body makes a reader fail in another way than by refusing it."""
    for read in (from_cloudwatch, from_alertmanager, from_generic):
        with pytest.raises(RecoveryRefused):
            read(told, source="x")
