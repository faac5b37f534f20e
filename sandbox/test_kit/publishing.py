"""Publishing the messages of a case, each with its correlation id, and the spans that tell of them."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from typing import Any

from sandbox.test_kit.clients import client
from sandbox.test_kit.misbehaviour import planted_secrets

BATCH = 10


def publish(run_id: str, case: str, count: int, *, leak: bool = False) -> Iterator[list[dict[str, Any]]]:
    """Send `count` messages to ITK_SQS_QUEUE_URL; yields the spans of each batch after it was sent."""
    url = os.environ["ITK_SQS_QUEUE_URL"]
    sqs = client("sqs")
    for first in range(0, count, BATCH):
        messages = [_message(run_id, case, number, url) for number in range(first, min(first + BATCH, count))]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=messages)
        ids = {sent["Id"]: sent["MessageId"] for sent in answer.get("Successful", [])}
        yield [
            _span(run_id, case, url, message, ids.get(message["Id"], ""), leak=leak) for message in messages
        ]


def _message(run_id: str, case: str, number: int, url: str) -> dict[str, Any]:
    correlation = str(uuid.uuid4())
    body = {"type": "order.placed", "order": f"{run_id}-{number:05}", "correlation_id": correlation}
    marks = {"correlation_id": correlation, "run_id": run_id, "case": case}
    message: dict[str, Any] = {
        "Id": str(number),
        "MessageBody": json.dumps(body),
        "MessageAttributes": {n: {"DataType": "String", "StringValue": v} for n, v in marks.items()},
    }
    if url.endswith(".fifo"):
        message |= {"MessageGroupId": f"customer-{number % 3}", "MessageDeduplicationId": correlation}
    return message


def _span(
    run_id: str, case: str, url: str, message: dict[str, Any], message_id: str, *, leak: bool
) -> dict[str, Any]:
    span = {
        "name": "sqs.send",
        "time": time.time(),
        "run_id": run_id,
        "case": case,
        "correlation_id": message["MessageAttributes"]["correlation_id"]["StringValue"],
        "message_id": message_id,
        "queue_url": url,
        "status": "ok" if message_id else "failed",
    }
    return span | ({"payload": planted_secrets()} if leak else {})


def read_logs(groups: list[str], seconds: int) -> Iterator[list[dict[str, Any]]]:
    """The log events of the last `seconds`, a page at a time. One try each: the kit knows no backing off."""
    logs = client("logs")
    since = int((time.time() - seconds) * 1000)
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since, PaginationConfig={"PageSize": 25}
        )
        for page in pages:
            yield [
                {"group": group, "id": e["eventId"], "time": e["timestamp"], "message": e["message"]}
                for e in page["events"]
            ]
