"""Where moto differs from AWS in ways that matter to a rollback, the sandbox is like AWS."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import reading
from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow]

NAME = "prod-sentiment-dashboard"
BUCKET = "prod-sentiment-deployments"
BOTH = ["MetricAlarm", "CompositeAlarm"]


def package(box: Sandbox, number: int, function: str = "dashboard") -> dict[str, str]:
    """Where a release's package is."""
    return {"S3Bucket": BUCKET, "S3Key": f"{function}/lambda-{box.release(number)}.zip"}


def refused(call: Any, **arguments: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def test_a_missing_package_is_refused_and_changes_nothing(fresh_sandbox: Sandbox) -> None:
    """Moto alone would accept it and leave an empty function."""
    before = reading.read(fresh_sandbox.home, "prod")

    code = refused(
        fresh_sandbox.client("lambda").update_function_code,
        FunctionName=NAME,
        S3Bucket=BUCKET,
        S3Key="no/such.zip",
    )

    assert code == "InvalidParameterValueException"
    assert reading.read(fresh_sandbox.home, "prod") == before


def test_a_function_without_capacity_takes_no_calls(fresh_sandbox: Sandbox) -> None:
    """Neither by its URL nor invoked; moto alone would run it. With its capacity back it answers at once."""
    aws, url = fresh_sandbox.client("lambda"), fresh_sandbox.home.addresses().function_url(NAME)
    aws.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)

    with pytest.raises(urllib.error.HTTPError) as turned_away:
        urllib.request.urlopen(url, timeout=10)
    assert turned_away.value.code == 429
    assert refused(aws.invoke, FunctionName=NAME) == "TooManyRequestsException"

    aws.delete_function_concurrency(FunctionName=NAME)
    assert "FunctionError" not in aws.invoke(FunctionName=NAME, Payload=b'{"headers": {}}')


def test_new_code_changes_nothing_for_callers_of_the_alias(fresh_sandbox: Sandbox) -> None:
    """The URL answers with the alias's version until the alias moves; then at once with the new one."""
    aws, home = fresh_sandbox.client("lambda"), fresh_sandbox.home

    made = aws.update_function_code(FunctionName=NAME, Publish=True, **package(fresh_sandbox, 1))

    assert reading.read(home, "prod").functions[NAME].answering_release == fresh_sandbox.release(2)
    aws.update_alias(FunctionName=NAME, Name="live", FunctionVersion=made["Version"])
    assert reading.read(home, "prod").functions[NAME].answering_release == fresh_sandbox.release(1)


def test_publishing_the_same_code_makes_no_version(fresh_sandbox: Sandbox) -> None:
    """As on AWS, a version is published only of something new."""
    aws = fresh_sandbox.client("lambda")
    first = aws.publish_version(FunctionName=NAME)["Version"]

    again = aws.update_function_code(FunctionName=NAME, Publish=True, **package(fresh_sandbox, 2))["Version"]

    assert again == first


def test_functions_are_really_invoked(fresh_sandbox: Sandbox) -> None:
    """Texts go in through one function, are scored by another, and the dashboard shows the mean."""
    aws = fresh_sandbox.client("lambda")

    def invoke(function: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = aws.invoke(FunctionName=f"prod-sentiment-{function}", Payload=json.dumps(event))
        assert "FunctionError" not in answer
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        return told

    texts = [{"source_id": "s1", "text": "good, great day"}, {"source_id": "s2", "text": "an awful loss"}]
    assert invoke("ingestion", {"texts": texts})["stored"] == 2
    assert invoke("analysis", {})["scored"] == 2
    secret = fresh_sandbox.client("secretsmanager").get_secret_value(
        SecretId="prod/sentiment/dashboard-api-key"
    )
    url = aws.get_function_url_config(FunctionName=NAME, Qualifier="live")["FunctionUrl"]
    request = urllib.request.Request(url, headers={"X-API-Key": secret["SecretString"]})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.loads(answer.read()) == {"items": 2, "mean_score": 0.0}


def test_the_dashboard_wants_its_key(fresh_sandbox: Sandbox) -> None:
    """Without the key from the secret it answers 401."""
    url = fresh_sandbox.addresses.function_url(NAME)

    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{url}health", timeout=10)

    error.value.close()
    assert error.value.code == 401


def test_a_function_without_url_answers_nobody(fresh_sandbox: Sandbox) -> None:
    """The port of a function without URL says 403, as AWS does; a URL of an alias is not one of the function."""
    aws = fresh_sandbox.client("lambda")
    assert refused(aws.get_function_url_config, FunctionName=NAME) == "ResourceNotFoundException"

    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(fresh_sandbox.addresses.function_url("prod-sentiment-analysis"), timeout=10)

    error.value.close()
    assert error.value.code == 403


def test_code_that_cannot_run_gives_502(fresh_sandbox: Sandbox) -> None:
    """A package that is no package is accepted by nobody's health check."""
    aws = fresh_sandbox.client("lambda")
    fresh_sandbox.client("s3").put_object(Bucket=BUCKET, Key="dashboard/broken.zip", Body=b"not a zip file")
    made = aws.update_function_code(
        FunctionName=NAME, Publish=True, S3Bucket=BUCKET, S3Key="dashboard/broken.zip"
    )
    aws.update_alias(FunctionName=NAME, Name="live", FunctionVersion=made["Version"])

    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{fresh_sandbox.addresses.function_url(NAME)}health", timeout=10)

    error.value.close()
    assert error.value.code == 502


def test_composite_alarms_are_left_out_unless_asked_for(fresh_sandbox: Sandbox) -> None:
    """The runbook's `describe-alarms --alarm-name-prefix` shows metric alarms only, as on AWS."""
    cloudwatch = fresh_sandbox.client("cloudwatch")

    plain = cloudwatch.describe_alarms(AlarmNamePrefix="prod-sentiment-")
    both = cloudwatch.describe_alarms(AlarmNamePrefix="prod-sentiment-", AlarmTypes=BOTH)

    assert (len(plain["MetricAlarms"]), len(plain["CompositeAlarms"])) == (3, 0)
    assert [alarm["AlarmName"] for alarm in both["CompositeAlarms"]] == ["prod-sentiment-service"]
    assert both["CompositeAlarms"][0]["AlarmRule"].count("ALARM(") == 3
    none = cloudwatch.describe_alarms(AlarmNamePrefix="prod-", AlarmTypes=BOTH, StateValue="ALARM")
    assert (none["MetricAlarms"], none["CompositeAlarms"]) == ([], [])


def test_a_state_set_by_hand_lasts_until_the_next_evaluation(fresh_sandbox: Sandbox) -> None:
    """set-alarm-state is overwritten by what the metric says, and the history keeps both changes."""
    cloudwatch = fresh_sandbox.client("cloudwatch")
    name = f"{NAME}-errors"

    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    fresh_sandbox.wait_until_green("prod")

    history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate")[
        "AlarmHistoryItems"
    ]
    assert [item["HistorySummary"] for item in history[:2]] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to ALARM",
    ]


def test_a_new_alarm_has_no_data_and_a_changed_one_keeps_its_state(fresh_sandbox: Sandbox) -> None:
    """An alarm begins as INSUFFICIENT_DATA; putting it again does not set it back."""
    cloudwatch = fresh_sandbox.client("cloudwatch")
    alarm = {
        "AlarmName": "other",
        "Namespace": "N",
        "MetricName": "M",
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "Period": 60,
        "Statistic": "Sum",
    }

    def state() -> str:
        return str(cloudwatch.describe_alarms(AlarmNames=["other"])["MetricAlarms"][0]["StateValue"])

    cloudwatch.put_metric_alarm(**alarm)
    assert state() == "INSUFFICIENT_DATA"
    cloudwatch.set_alarm_state(AlarmName="other", StateValue="ALARM", StateReason="test")
    cloudwatch.put_metric_alarm(**alarm | {"Threshold": 2.0})
    assert state() == "ALARM"


def test_a_table_is_restored_to_the_moment(fresh_sandbox: Sandbox) -> None:
    """Moto alone gives what there is now, to any moment, at once."""
    client, table = fresh_sandbox.client("dynamodb"), fresh_sandbox.place("prod").table
    key = {"source_id": {"S": "x"}, "timestamp": {"S": "2026-01-01T00:00:00Z"}}
    client.put_item(TableName=table, Item=key | {"text": {"S": "then"}})
    time.sleep(1.1)
    moment = datetime.now(UTC)
    client.put_item(TableName=table, Item=key | {"text": {"S": "now"}})
    asked = {"SourceTableName": table, "TargetTableName": "copy", "RestoreDateTime": moment}

    told = client.restore_table_to_point_in_time(**asked)

    assert told["TableDescription"]["TableStatus"] == "CREATING"
    assert client.get_item(TableName="copy", Key=key)["Item"]["text"] == {"S": "then"}
    early = asked | {"TargetTableName": "early", "RestoreDateTime": datetime(2001, 1, 1, tzinfo=UTC)}
    assert refused(client.restore_table_to_point_in_time, **early) == "InvalidRestoreTimeException"
    off = {"PointInTimeRecoveryEnabled": False}
    client.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=off)
    other = asked | {"TargetTableName": "other"}
    assert (
        refused(client.restore_table_to_point_in_time, **other) == "PointInTimeRecoveryUnavailableException"
    )
