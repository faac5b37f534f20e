"""What AWS itself tells of its callers, for real calls to the sandbox: CloudTrail's event history and queues' metrics.

As AWS's history it holds management events alone: a message that is sent or received is none. It is told newest first,
fifty events a page. How many messages a queue was sent is a metric.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import deque
from datetime import UTC, datetime
from typing import Any
from wsgiref.types import WSGIEnvironment

from sandbox.aws_wire import Answer, body, name_of_call

LOOKUP = "cloudtrail.LookupEvents"
KEPT, PAGE = 5_000, 50
_TOLD = ("sts", "iam", "secretsmanager", "sqs", "logs")
"""Services whose calls are kept: those a test kit uses."""
_DATA = re.compile(r"(Send|Receive|Delete)Message(Batch)?|ChangeMessageVisibility(Batch)?|PutLogEvents")
_READS = ("Get", "List", "Describe", "Filter", "Lookup", "Head")
_KEY = re.compile(r"Credential=([^/]+)/")

_events: deque[dict[str, Any]] = deque(maxlen=KEPT)


def install() -> None:
    """Let every message that a queue takes count in its metric."""
    from moto.sqs import models

    queue: Any = models.Queue
    take = queue.add_message

    def add_message(self: Any, message: Any) -> None:
        take(self, message)
        _count(self)

    queue.add_message = add_message


def note(environ: WSGIEnvironment) -> None:
    """Keep a call that was let through."""
    service, _, operation = name_of_call(environ).partition(".")
    if service not in _TOLD or _DATA.fullmatch(operation):
        return
    key = _key(environ)
    _events.appendleft(
        {
            "account": _account(environ, key),
            "EventId": str(uuid.uuid4()),
            "EventName": operation,
            "EventSource": f"{service}.amazonaws.com",
            "ReadOnly": str(operation.startswith(_READS)).lower(),
            "AccessKeyId": key,
            "EventTime": time.time(),
            "agent": environ.get("HTTP_USER_AGENT", ""),
            "asked": _asked(environ),
        }
    )


def look_up(environ: WSGIEnvironment) -> Answer:
    """Answer LookupEvents."""
    asked, account = json.loads(body(environ) or b"{}"), _account(environ, _key(environ))
    since, until = float(asked.get("StartTime", 0)), float(asked.get("EndTime", time.time()))
    found = [e for e in list(_events) if e["account"] == account and since <= e["EventTime"] <= until]
    first = int(asked.get("NextToken", 0))
    last = first + min(int(asked.get("MaxResults", PAGE)), PAGE)
    told: dict[str, Any] = {"Events": [_event(each) for each in found[first:last]]}
    if last < len(found):
        told["NextToken"] = str(last)
    text = json.dumps(told).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(text)))]
    return Answer("200 OK", headers, text)


def _event(kept: dict[str, Any]) -> dict[str, Any]:
    whole = {
        "eventTime": datetime.fromtimestamp(kept["EventTime"], UTC).isoformat(),
        "eventName": kept["EventName"],
        "readOnly": kept["ReadOnly"] == "true",
        "userAgent": kept["agent"],
        "requestParameters": kept["asked"],
        "recipientAccountId": kept["account"],
    }
    shown = {name: value for name, value in kept.items() if name[0].isupper()}
    return shown | {"CloudTrailEvent": json.dumps(whole)}


def _key(environ: WSGIEnvironment) -> str:
    found = _KEY.search(environ.get("HTTP_AUTHORIZATION", ""))
    return found.group(1) if found else ""


def _account(environ: WSGIEnvironment, key: str) -> str:
    from moto.iam.models import get_account_id_from

    return str(environ.get("HTTP_X_MOTO_ACCOUNT_ID") or get_account_id_from(key))


def _asked(environ: WSGIEnvironment) -> dict[str, str]:
    """The plain texts of what was asked, as CloudTrail keeps them."""
    try:
        told = json.loads(body(environ) or b"{}")
    except ValueError:
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str)}


def _count(queue: Any) -> None:
    from moto.cloudwatch.models import cloudwatch_backends

    datum = {
        "MetricName": "NumberOfMessagesSent",
        "Dimensions": [{"Name": "QueueName", "Value": queue.name}],
        "Value": 1,
    }
    cloudwatch_backends[queue.account_id][queue.region].put_metric_data("AWS/SQS", [datum])
