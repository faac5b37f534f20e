"""The sandbox's qa environment: queues with other people's messages in them, a kit's folder, a log group."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.aws_queues import PEEK_PATH
from sandbox.organs import organ_client
from sandbox.places import ACCOUNT, REGION, Home

QA = "qa"
INTAKE, INTAKE_FIFO = "qa-orders-intake", "qa-orders-intake.fifo"
"""Where test runs are to publish."""

BILLING, BILLING_FIFO = "qa-billing-events", "qa-billing-events.fifo"
"""Other people's queues."""

RUNNER, RUNNER_SECRET = "qa-orders-runner", "qa/orders/runner-key"
"""The kit's own user, and where its access key is kept."""

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:qa-orders-alarms"
"""The topic that its alarms are published to."""

STRAYS_ALARM = "qa-billing-strays"
"""The alarm on what billing's queue gets and its producers do not account for."""

BLOCKED = "999999999999"
"""An account that everybody knows not to touch."""

MAX_RECEIVES = 5
LOG_GROUPS = ("/qa/orders-consumer", "/qa/orders-intake")
"""Of the service under test."""
OTHERS = 12
"""Messages of others in each of their queues."""


def dead(queue: str) -> str:
    """The name of a queue's dead-letter queue."""
    return f"{queue.removesuffix('.fifo')}-dead{'.fifo' if queue.endswith('.fifo') else ''}"


QUEUES = tuple(
    name for queue in (INTAKE, INTAKE_FIFO, BILLING, BILLING_FIFO) for name in (dead(queue), queue)
)
"""Every queue, dead-letter queues before those that use them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One message as a queue holds it, seen without receiving it."""

    id: str
    body: str
    attributes: dict[str, str]
    group: str
    receives: int
    visible: bool


@dataclass(frozen=True, slots=True)
class KitPlace:
    """Where the qa environment keeps everything."""

    home: Home

    @property
    def folder(self) -> Path:
        """The kit's working folder, with its `.env`, its artifacts and its locks."""
        return self.home.path / "test-kit"

    @property
    def artifacts(self) -> Path:
        """A folder a run."""
        return self.folder / "artifacts"

    @property
    def copies(self) -> Path:
        """Where copies of removed messages go, encrypted."""
        return self.home.path / "qa-copies"

    @property
    def copies_key(self) -> Path:
        """The key they are encrypted with."""
        return self.home.credentials / "qa-copies-key"

    @property
    def repository(self) -> Path:
        """Where the kit's cases are kept, and by mistake some artifacts."""
        return self.home.path / "kit-repository.git"

    def url(self, queue: str) -> str:
        """A queue's address."""
        return f"{self.home.addresses().aws_url}/{ACCOUNT}/{queue}"

    def held(self, queue: str) -> list[Kept]:
        """What a queue holds, oldest first. Nothing is received."""
        return self.peek(f"{PEEK_PATH}{ACCOUNT}/{REGION}/{queue}")

    def peek(self, path: str) -> list[Kept]:
        """What a queue of any account holds."""
        url = f"{self.home.addresses().aws_url}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - this machine
            return [Kept(**message) for message in json.loads(answer.read())]

    def client(self, service: str) -> Any:
        """The sandbox's own client."""
        return organ_client(service, self.home.addresses().aws_url)

    def alarm(self, state: str, reason: str) -> None:
        """What CloudWatch says of billing's queue: nobody counts its messages here but who breaks it."""
        self.client("cloudwatch").set_alarm_state(
            AlarmName=STRAYS_ALARM, StateValue=state, StateReason=reason
        )

    def configure(self, queue: str = INTAKE, **more: str) -> None:
        """Write the kit's `.env`: where it publishes, what it reads."""
        self.artifacts.mkdir(parents=True, exist_ok=True)
        lines = {
            "ITK_MODE": "live",
            "ITK_ACCOUNT_ID": ACCOUNT,
            "ITK_SQS_QUEUE_URL": self.url(queue),
            "ITK_BLOCKED_ACCOUNTS": BLOCKED,
            "ITK_LOG_GROUPS": ",".join(LOG_GROUPS),
            "ITK_LOG_QUERY_WINDOW_SECONDS": "900",
            "ITK_REDACT_KEYS": "aws_access_key_id,aws_secret_access_key,password,api_key,token",
            **more,
        }
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        (self.folder / ".env").write_text(text, encoding="utf-8")
        (self.folder / ".gitignore").write_text(".env\nartifacts/\nlocks/\n", encoding="utf-8")


def open_qa(home: Home) -> None:
    """Make the queues, put other people's messages into theirs, write some logs, configure the kit."""
    place = KitPlace(home)
    sqs = place.client("sqs")
    for name in QUEUES:
        attributes = {"VisibilityTimeout": "30"}
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        if dead(name) in QUEUES:
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{dead(name)}"
            attributes["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES}
            )
        sqs.create_queue(QueueName=name, Attributes=attributes)
    for queue in (BILLING, BILLING_FIFO, dead(BILLING)):
        publish_innocents(place, queue, OTHERS if queue != dead(BILLING) else 2)
    place.client("cloudwatch").put_metric_alarm(
        AlarmName=STRAYS_ALARM, Namespace="QA/Queues", MetricName="UnaccountedMessages", Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold", Threshold=0, Period=60, EvaluationPeriods=1,
        TreatMissingData="notBreaching", AlarmActions=[TOPIC],
    )  # fmt: skip
    write_logs(place)
    place.configure()


def publish_innocents(place: KitPlace, queue: str, count: int, first: int = 0) -> None:
    """Messages of the billing service: its own correlation ids, no run id."""
    sqs, url = place.client("sqs"), place.url(queue)
    for start in range(first, first + count, 10):
        numbers = range(start, min(start + 10, first + count))
        entries = [_innocent(number, fifo=queue.endswith(".fifo")) for number in numbers]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


def _innocent(number: int, *, fifo: bool) -> dict[str, Any]:
    body = {
        "type": "invoice.created",
        "invoice": f"INV-{number:05}",
        "correlation_id": f"billing-{number:05}",
    }
    entry: dict[str, Any] = {
        "Id": str(number),
        "MessageBody": json.dumps(body),
        "MessageAttributes": {
            "correlation_id": {"DataType": "String", "StringValue": f"billing-{number:05}"}
        },
    }
    if fifo:
        entry |= {"MessageGroupId": f"customer-{number % 3}", "MessageDeduplicationId": f"invoice-{number}"}
    return entry


def write_logs(place: KitPlace) -> None:
    """The service tells of the last minute."""
    logs, now = place.client("logs"), int(time.time() * 1000)
    for group in LOG_GROUPS:
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
            logs.create_log_stream(logGroupName=group, logStreamName="consumer")
        told = [{"timestamp": now - 60_000 + n * 100, "message": f"handled order {n}"} for n in range(200)]
        logs.put_log_events(logGroupName=group, logStreamName="consumer", logEvents=told)
