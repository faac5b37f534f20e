"""Cleaning up after a failed test run beside the runbook's way: one `aws dynamodb delete-item` process per item.

50,000 items, every tenth of them the run's. Ours finds them, keeps a copy, reads it again, looks at each key before it
goes; the scenario also counts before and after, which is told apart. The runbook's own scan, which never worked, is
not timed. Half of its processes are timed before, half after ours: the machine may be busy with other things.

The same AWS stand-in serves both, in a process of its own, with the sandbox's corrections of its tables: it does not
sort or translate more for a page than it must. A scan still costs it most, as it reads from the beginning for every
page: so items are small, about 80 bytes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.aws_command import aws_command
from benchmarks.figures import Figure
from benchmarks.practice import acting
from blocks.aws_account import AwsAccount
from blocks.environment import Environment
from blocks.platforms import DataTable, LambdaFunction, LambdaPlatform
from blocks.terraform_workspace import TerraformWorkspace
from rules.polluted_items import RunMarks, RunWindow, Selector, selector_for
from rules.severity import Tier

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

ITEMS, EVERY, SAMPLE = 50_000, 10, 20
POLLUTED = ITEMS // EVERY
LIMIT, MEGABYTES = 500, 40
_SERVER = "from sandbox import aws_tables; aws_tables.install(); from moto.server import main; main()"
TABLE, RUN, REGION = "bench-items", "4711", "us-east-1"
BEGAN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def measure() -> Iterator[Figure]:
    """Clean the table, with the memory it takes; then time some of the runbook's processes."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as name, _aws(Path(name)) as environment:
        from tasks.tables import count_polluted, delete_polluted, keep_polluted

        client = environment.aws.client("dynamodb")
        chosen = _selector()
        _fill(client)
        innocent = _innocent(client)
        way, command = _command(Path(name))
        each = _one_process_per_item(command, client, environment, range(SAMPLE // 2))
        with acting(environment):
            with _peak() as megabytes:
                marks = [time.perf_counter()]
                found = count_polluted(environment, chosen).polluted
                marks.append(time.perf_counter())
                keep_polluted(environment, chosen)
                delete_polluted(environment, chosen)
                marks.append(time.perf_counter())
                left = count_polluted(environment, chosen).polluted
                marks.append(time.perf_counter())
            lost = len(innocent - _innocent(client))
        each += _one_process_per_item(command, client, environment, range(SAMPLE // 2, SAMPLE))
    ours, theirs = marks[2] - marks[1], sum(each) / len(each)
    yield Figure.raw(f"{POLLUTED:,} polluted of {ITEMS:,} items found, kept, deleted", ours, "s")
    yield Figure.raw("counted before and after, too", marks[3] - marks[0], "s")
    yield Figure.raw(f"one item by {way} (mean of {SAMPLE})", theirs, "s")
    yield Figure.at_least("one process per item / ours", theirs * POLLUTED / ours, "times", LIMIT)
    yield Figure.at_most("memory that cleaning adds at most", megabytes[0], "MB", MEGABYTES)
    yield Figure.exactly("polluted items found", found, "items", POLLUTED)
    yield Figure.exactly("polluted items left", left, "items", 0)
    yield Figure.exactly("innocent items lost", lost, "items", 0)


def _selector() -> Selector:
    marks = RunMarks(key_prefix="test-{run}-", written_attribute="timestamp")
    window = RunWindow(run=RUN, began=BEGAN, ended=BEGAN + timedelta(days=1))
    return selector_for(marks, window, table=TABLE, hash_key="source_id", tier=Tier.PREPROD)


def _item(number: int) -> dict[str, Any]:
    stamp = (BEGAN + timedelta(seconds=number % 3600)).isoformat()
    source = f"test-{RUN}-{number}" if number % EVERY == 0 else f"source-{number}"
    return {"source_id": {"S": source}, "timestamp": {"S": stamp}, "text": {"S": "a good day"}}


def _fill(client: DynamoDBClient) -> None:
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "source_id", "KeyType": "HASH"},
            {"AttributeName": "timestamp", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "source_id", "AttributeType": "S"},
            {"AttributeName": "timestamp", "AttributeType": "S"},
        ],
    )
    for start in range(0, ITEMS, 25):
        numbers = range(start, min(start + 25, ITEMS))
        requests: Any = [{"PutRequest": {"Item": _item(number)}} for number in numbers]
        client.batch_write_item(RequestItems={TABLE: requests})


def _innocent(client: DynamoDBClient) -> set[str]:
    """Keys of everything the run did not write."""
    pages = client.get_paginator("scan").paginate(
        TableName=TABLE, ProjectionExpression="#key", ExpressionAttributeNames={"#key": "source_id"}
    )
    keys = {str(item["source_id"]["S"]) for page in pages for item in page["Items"]}
    return {key for key in keys if not key.startswith(f"test-{RUN}-")}


def _one_process_per_item(
    command: list[str], client: DynamoDBClient, environment: Environment, sample: range
) -> list[float]:
    """The runbook's loop, for some items, which are there again afterwards: the seconds of each."""
    variables = os.environ | environment.aws.process_environment()
    taken = []
    for number in sample:
        item = _item(number * EVERY)
        key = json.dumps({name: item[name] for name in ("source_id", "timestamp")})
        client.put_item(TableName=TABLE, Item=item)
        began = time.perf_counter()
        subprocess.run([*command, key], check=True, env=variables, capture_output=True)
        taken.append(time.perf_counter() - began)
        client.put_item(TableName=TABLE, Item=item)
    return taken


def _command(folder: Path) -> tuple[str, list[str]]:
    """AWS's own command from PyPI where uv can get it, else boto3 in a Python of its own."""
    if found := aws_command(folder):
        delete = ["dynamodb", "delete-item", "--table-name", TABLE, "--key"]
        return "`aws dynamodb delete-item`", [str(found), *delete]
    script = (
        "import boto3, json, sys; "
        f"boto3.client('dynamodb').delete_item(TableName={TABLE!r}, Key=json.loads(sys.argv[1]))"
    )
    return "a `python -c` with boto3 (no aws command to be had)", [sys.executable, "-c", script]


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Megabytes by which this process grew at most, in a list once the block has ended."""
    grown, done = [0.0], threading.Event()
    process = psutil.Process()
    before = process.memory_info().rss

    def look() -> None:
        while not done.wait(0.01):
            grown[0] = max(grown[0], (process.memory_info().rss - before) / 1e6)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield grown
    finally:
        done.set()
        thread.join()


@contextmanager
def _aws(folder: Path) -> Iterator[Environment]:
    """An environment with a table, on an AWS stand-in of its own."""
    given = dict(os.environ)
    os.environ |= {
        "BACKSTOP_HOME": str(folder / "home"), "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield Environment(
            name="bench",
            tier=Tier.PREPROD,
            account=AwsAccount(
                account_id="123456789012", region=REGION, endpoint_url=f"http://127.0.0.1:{port}"
            ),
            platform=LambdaPlatform(
                functions=[LambdaFunction(name="bench", package="bench")],
                artifact_bucket="bench-packages",
                tables=[DataTable(name=TABLE, hash_key="source_id", range_key="timestamp")],
                terraform=TerraformWorkspace(repository="/nowhere"),
            ),
        )
    finally:
        server.terminate()
        server.wait()
        os.environ.clear()
        os.environ.update(given)


def _wait_for(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError("the AWS stand-in did not come up")
