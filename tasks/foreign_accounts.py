"""What AWS tells of an account that a test run should never have acted in. It is read, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from blocks.aws_account import AwsAccount
from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.misfires import Trail, TrailEvent
from tasks.kinds import pause, probe

_PAGE, MOST_PAGES = 50, 100
_BETWEEN_PAGES = 0.5
"""Seconds: CloudTrail answers two calls a second of an account."""
_PERIOD = 60


@probe
def trail_of(environment: Environment, account_id: str, since: datetime, until: datetime) -> Trail | None:
    """What CloudTrail tells of an account's time, page by page; None: nobody may look there.

    Permissions: cloudtrail:LookupEvents
    """
    account = _reader(environment, account_id)
    if account is None:
        return None
    trail, found, more = account.client("cloudtrail"), list[TrailEvent](), dict[str, str]()
    for _ in range(MOST_PAGES):
        with translated(f"read CloudTrail of {account_id}"):
            page = trail.lookup_events(StartTime=since, EndTime=until, MaxResults=_PAGE, **more)
        found += [_event(each) for each in page["Events"]]
        if not page.get("NextToken"):
            return Trail(events=tuple(found))
        more = {"NextToken": page["NextToken"]}
        pause(_BETWEEN_PAGES)
    return Trail(events=tuple(found), cut=True)


@probe
def messages_sent(
    environment: Environment, account_id: str, queue: str, since: datetime, until: datetime
) -> int | None:
    """How many messages a queue was sent, by its metric, by whole minutes; None: nobody may look, or it does not say.

    Permissions: cloudwatch:GetMetricStatistics
    """
    account = _reader(environment, account_id)
    if account is None:
        return None
    with translated(f"read the metrics of {queue}"):
        told = account.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="NumberOfMessagesSent",
            Dimensions=[{"Name": "QueueName", "Value": queue}],
            StartTime=since,
            EndTime=until,
            Period=_PERIOD,
            Statistics=["Sum"],
        )["Datapoints"]
    return int(sum(point["Sum"] for point in told)) if told else None


def _reader(environment: Environment, account_id: str) -> AwsAccount | None:
    """As whom we look.

    Raises:
        StepFailed: these credentials belong to another account than the environment says.
    """
    account = environment.test_kit.evidence_account(account_id)
    if account is None:
        return None
    with translated(f"ask whose credentials look into {account_id}"):
        seen = account.client("sts").get_caller_identity()["Account"]
    if seen != account_id:
        raise StepFailed(
            f"What is to look into {account_id} is in account {seen}.",
            hint="Correct `evidence_accounts` in the environment's file.",
        )
    return account


def _event(told: Any) -> TrailEvent:
    whole = json.loads(told.get("CloudTrailEvent", "{}"))
    asked = whole.get("requestParameters") or {}
    subject = next(
        (str(asked[n]) for n in ("secretId", "SecretId", "queueUrl", "QueueUrl") if n in asked), ""
    )
    service = str(told.get("EventSource", "")).partition(".")[0]
    return TrailEvent(
        id=told["EventId"],
        call=f"{service}:{told['EventName']}",
        at=told["EventTime"],
        read_only=str(told.get("ReadOnly", "false")) == "true",
        agent=str(whole.get("userAgent", "")),
        key=str(told.get("AccessKeyId", "")),
        subject=subject.rpartition("/queues/")[2].rpartition("/")[2] if "://" in subject else subject,
    )
