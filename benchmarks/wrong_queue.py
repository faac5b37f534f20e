"""Taking 10,000 stray messages out from among 1,000 others', beside one `aws sqs` process per message.

The whole scenario is timed: the run is looked for, each message is copied, encrypted, and deleted, each is sent on to
the right queue, everything is counted. Beside it stands one `aws sqs delete-message` a message, its receipt handle in
hand, which keeps and sends nothing; somebody at a terminal needs a `receive-message` first. One stand-in serves both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.aws_command import aws_command
from benchmarks.figures import Figure
from benchmarks.practice import practice_sandbox

if TYPE_CHECKING:
    from sandbox.test_kit.place import KitPlace

BAD, OTHERS, SAMPLE, LIMIT = 10_000, 1_000, 20, 300
RUN = "run-bench"


def measure() -> Iterator[Figure]:
    """Recover once; half of the sampled processes run before, half after it: the machine may be busy."""
    with practice_sandbox() as box:
        from deployments.environments import load_environment
        from flows.wrong_queue_publish import recover
        from sandbox.test_kit.place import BILLING, INTAKE, KitPlace

        place = KitPlace(box.home)
        _mix(place)
        innocent = {m.id for m in place.held(BILLING) if "run_id" not in m.attributes}
        way, command = _command(box.home.path)
        each = _processes(command, place, SAMPLE // 2)
        began = time.perf_counter()
        outcome = recover.fn(load_environment("qa", box.home.environments), RUN, send_on_to_right_queue=True)
        ours = time.perf_counter() - began
        each += _processes(command, place, SAMPLE - SAMPLE // 2)
        left = {m.id for m in place.held(BILLING)}
        arrived = Counter(m.body for m in place.held(INTAKE))
        hidden = sum(not m.visible for m in place.held(BILLING))
    theirs = sum(each) / len(each)
    yield Figure.raw(
        f"{BAD:,} stray messages of {BAD + OTHERS:,} copied, taken out, sent on, counted", ours, "s"
    )
    yield Figure.raw(f"one message by {way} (mean of {SAMPLE})", theirs, "s")
    yield Figure.at_least("one process per message / ours", theirs * BAD / ours, "times", LIMIT)
    yield Figure.exactly("recovered", float(outcome.ending.value == "recovered"), "", 1)
    yield Figure.exactly("innocent messages lost", len(innocent - left), "messages", 0)
    yield Figure.exactly("innocent messages left hidden", hidden, "messages", 0)
    yield Figure.exactly("stray messages left", len(left - innocent), "messages", 0)
    yield Figure.exactly("messages that arrived", len(arrived), "messages", BAD)
    yield Figure.exactly("messages that arrived twice", sum(n > 1 for n in arrived.values()), "messages", 0)


def _mix(place: KitPlace) -> None:
    """The run's messages and the others', one of these after each ten; and what the run tells of its own."""
    from sandbox.test_kit.artifacts import Artifacts
    from sandbox.test_kit.place import BILLING, publish_innocents

    sqs, url = place.client("sqs"), place.url(BILLING)
    artifacts = Artifacts(place.artifacts / RUN)
    artifacts.run({"run_id": RUN, "case": "orders", "began": time.time() - 1})
    for first in range(0, BAD, 10):
        correlations = {str(n): f"{RUN}-{n}" for n in range(first, first + 10)}
        entries = [
            {"Id": n, "MessageBody": json.dumps({"order": c}), "MessageAttributes": _marks(c)}
            for n, c in correlations.items()
        ]
        answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        span = {"name": "sqs.send", "run_id": RUN, "queue_url": url, "status": "ok"}
        artifacts.spans(
            span | {"correlation_id": correlations[sent["Id"]], "message_id": sent["MessageId"]}
            for sent in answer["Successful"]
        )
        if first // 10 < OTHERS:
            publish_innocents(place, BILLING, 1, first=100 + first // 10)


def _marks(correlation: str) -> dict[str, Any]:
    marks = {"correlation_id": correlation, "run_id": RUN}
    return {name: {"DataType": "String", "StringValue": value} for name, value in marks.items()}


def _command(folder: Path) -> tuple[str, list[str]]:
    if found := aws_command(folder):
        words = [str(found), "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "sqs", "delete-message"]
        return "`aws sqs delete-message`", [*words, "--queue-url", "", "--receipt-handle", ""]
    script = "import boto3, sys; boto3.client('sqs').delete_message(QueueUrl=sys.argv[2], ReceiptHandle=sys.argv[4])"
    return "a `python -c` with boto3 (no aws command to be had)", [
        sys.executable,
        "-c",
        script,
        "",
        "",
        "",
        "",
    ]


def _processes(command: list[str], place: KitPlace, count: int) -> list[float]:
    """One process per message, on messages of its own in a queue of its own: the seconds of each."""
    sqs = place.client("sqs")
    url = sqs.create_queue(QueueName="bench-sample")["QueueUrl"]
    taken = []
    for number in range(count):
        sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
        words = [*command[:-3], url, command[-2], message["ReceiptHandle"]]
        began = time.perf_counter()
        subprocess.run(words, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return taken
