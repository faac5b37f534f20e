"""The SQS calls of a sweep, in batches, with what SQS answers for each single message."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.stray_messages import Marks, QueueState
from tasks._message_copies import Attribute, Copy

T = TypeVar("T")
BATCH = 10
"""The most that SQS takes or gives at once."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message in our hands."""

    copy: Copy
    marks: Marks
    handle: str
    receives: int
    """By anybody so far, us just now among them."""


class QueueCalls:
    """One queue of an environment."""

    def __init__(self, environment: Environment, url: str) -> None:
        self.url, self.name = url, url.rpartition("/")[2]
        self._kit = environment.test_kit
        self._sqs = environment.aws.client("sqs")

    def state(self) -> QueueState:
        """What SQS says of it; one that is gone is told as such."""
        try:
            with translated(f"look at the queue {self.name}"):
                told = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        except NotThere:
            return QueueState(url=self.url, exists=False)
        redrive = json.loads(told.get("RedrivePolicy") or "{}")
        return QueueState(
            url=self.url,
            visible=int(told["ApproximateNumberOfMessages"]),
            hidden=int(told["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(told["ApproximateNumberOfMessagesDelayed"]),
            max_receives=int(redrive["maxReceiveCount"]) if redrive.get("maxReceiveCount") else None,
            dead_letters=str(redrive.get("deadLetterTargetArn", "")).rpartition(":")[2],
            visibility_seconds=int(float(told.get("VisibilityTimeout", 30))),
        )

    def receive(self, hold_seconds: int, wait_seconds: int = 1) -> list[Received]:
        """Up to ten messages, hidden from others for `hold_seconds`."""
        with translated(f"receive from {self.name}"):
            found = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                VisibilityTimeout=hold_seconds,
                WaitTimeSeconds=wait_seconds,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
        return [self._read(message) for message in found]

    def delete(self, messages: Sequence[Received]) -> list[Received]:
        """Delete; those that SQS says it deleted."""
        done: list[Received] = []
        for part in _parts(messages):
            entries = [{"Id": str(n), "ReceiptHandle": message.handle} for n, message in enumerate(part)]
            with translated(f"take messages out of {self.name}"):
                answer = self._sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
            done += [part[int(deleted["Id"])] for deleted in answer.get("Successful", [])]
        return done

    def hide(self, handles: Iterable[str], seconds: int) -> None:
        """Hide messages in our hands for so long from now; 0: let others see them.

        A handle that is out of date, or whose message is gone, needs nothing.
        """
        for part in _parts(list(handles)):
            entries = [
                {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                for n, handle in enumerate(part)
            ]
            with translated(f"change how long messages of {self.name} are hidden"):
                self._sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)

    def _read(self, message: dict[str, Any]) -> Received:
        told, marks = message.get("Attributes", {}), message.get("MessageAttributes", {})
        sent = float(told.get("SentTimestamp", 0)) / 1000

        def mark(name: str) -> str:
            return str(marks.get(name, {}).get("StringValue", ""))

        copy = Copy(
            id=message["MessageId"],
            queue=self.url,
            body=message["Body"],
            attributes={name: _attribute(value) for name, value in marks.items()},
            group=told.get("MessageGroupId", ""),
            deduplication=told.get("MessageDeduplicationId", ""),
            trace=told.get("AWSTraceHeader", ""),
            sent_at=sent,
            sequence=told.get("SequenceNumber", ""),
        )
        correlation = mark(self._kit.correlation_attribute) or _field(
            copy.body, self._kit.correlation_attribute
        )
        return Received(
            copy,
            Marks(copy.id, mark(self._kit.run_attribute), correlation, datetime.fromtimestamp(sent, UTC)),
            message["ReceiptHandle"],
            int(told.get("ApproximateReceiveCount", 1)),
        )


def as_attributes(copy: Copy) -> dict[str, dict[str, Any]]:
    """The message's attributes, as SQS takes them."""
    return {
        name: {"DataType": a.type, "BinaryValue": base64.b64decode(a.value)}
        if a.type.startswith("Binary")
        else {"DataType": a.type, "StringValue": a.value}
        for name, a in copy.attributes.items()
    }


def _attribute(value: dict[str, Any]) -> Attribute:
    if value["DataType"].startswith("Binary"):
        return Attribute(type=value["DataType"], value=base64.b64encode(value["BinaryValue"]).decode())
    return Attribute(type=value["DataType"], value=value["StringValue"])


def _field(body: str, name: str) -> str:
    """A field of a JSON body; empty when it is none or has none."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    return str(found.get(name, "")) if isinstance(found, dict) else ""


def _parts(items: Sequence[T]) -> Iterator[list[T]]:
    for first in range(0, len(items), BATCH):
        yield list(itertools.islice(items, first, first + BATCH))
