"""Alarms are read whole: both types, every page."""

from __future__ import annotations

from typing import Any

from botocore.stub import Stubber

from rules.health import Alarm, AlarmState
from tasks.alarms import alarm_states
from tests.tasks.lambda_service import Service, environment

ASKED = {"AlarmNamePrefix": "practice-", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}


def told(name: str, state: str, **more: Any) -> dict[str, Any]:
    """One alarm of an answer."""
    return {"AlarmName": name, "StateValue": state, "StateReason": "because", **more}


def test_both_types_and_every_page_are_read(service: Service) -> None:
    """Composite alarms are asked for by name, and the second page is not forgotten."""
    client = service.environment.aws.client("cloudwatch")
    first = {"MetricAlarms": [told("practice-b", "OK", ActionsEnabled=False)], "NextToken": "more"}
    rest = {"CompositeAlarms": [{**told("practice-a", "ALARM"), "AlarmRule": "x"}], "MetricAlarms": []}
    with Stubber(client) as stub:
        stub.add_response("describe_alarms", first, ASKED)
        stub.add_response("describe_alarms", rest, {**ASKED, "NextToken": "more"})

        seen = alarm_states.fn(service.environment)

    assert seen == [
        Alarm(name="practice-a", state=AlarmState.ALARM, reason="because"),
        Alarm(name="practice-b", state=AlarmState.OK, actions_enabled=False, reason="because"),
    ]


def test_no_prefix_means_no_question() -> None:
    """A platform may have no alarms: then AWS is not asked for everybody's."""
    assert alarm_states.fn(environment(alarm_prefix=None)) == []
