"""Where drills are measured: the whole stack of processes on the practice sandbox, and what may be drilled there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console

from benchmarks.container_monitor import DOWN, MISSING, TOKEN
from sandbox.test_kit.place import QA, STRAYS_ALARM, TOPIC

if TYPE_CHECKING:
    from deployments.stack import Stack
    from sandbox.world import Sandbox

ON_AWS, ON_QUEUES = ("broken-release", "held-lock", "alarm-only"), ("wrong-queue",)
ON_DOCKER, ON_DATA = ("killed-gateway", "corrupted-redis"), ("polluted-table",)
SHORTER = 0.02
"""Of a pause or a watch: ten minutes without an alarm would be all that is measured of a restore."""


@contextmanager
def running(box: Sandbox, delay_scale: float = 1.0) -> Iterator[Stack]:
    """Server, responder and receiver; release 2 is proven, 3 is known to be bad."""
    from urllib.parse import urlsplit

    from blocks.settings import settings
    from deployments.environments import load_environment
    from deployments.stack import Stack
    from flows._release_memory import record
    from rules.outcomes import Verdict
    from tasks.release_packages import package_of

    settings.cache_clear()
    home, place = settings().home, load_environment("preprod")
    for number, verdict in ((3, Verdict.FAIL), (2, Verdict.PASS)):
        release = box.release(number)
        functions = [function.name for function in place.lambda_platform.functions]
        code = {name: package_of(place, name, release).sha256 for name in functions}
        record(place, release, verdict, code, by="the benchmark")
    routes = home / "routes.yaml"
    routes.write_text(yaml.safe_dump(_routes(box)))
    variables = {
        "BACKSTOP_WEBHOOK_ROUTES": str(routes),
        "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": urlsplit(box.home.addresses().certificate_url).netloc,
        "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(box.home.certificate),
        "BENCH_TOKEN": TOKEN,
        "BACKSTOP_DELAY_SCALE": str(delay_scale),
    }
    stack = Stack(home, prefect_port=0, webhook_port=0, environments=box.home.environments, extra=variables)
    stack.start()
    box.subscribe(f"{stack.webhook_address}/alarms/sns")
    try:
        yield stack
    finally:
        box.subscribe("")
        stack.stop()


def _routes(box: Sandbox) -> dict[str, Any]:
    from sandbox.places import ACCOUNT, REGION

    place, of = box.place("preprod"), {"environment": "preprod"}
    token = {"source": "environment", "name": "BENCH_TOKEN"}
    by_monitor = {"source": "monitor", "environment": "masking"}
    return {
        "topics": [place.topic, TOPIC],
        "environments": {
            **{name: {"account": ACCOUNT, "region": REGION} for name in ("preprod", QA)},
            "masking": {},
        },
        "senders": {"monitor": {"format": "alertmanager", "token": token}},
        "routes": [
            {"alarm": place.lock_alarm, "scenario": "stale-terraform-lock", **of},
            {"alarm": f"{place.alarm_prefix}*", "scenario": "canary-failure", **of},
            {"alarm": STRAYS_ALARM, "scenario": "wrong-queue-publish", "environment": QA},
            {"alarm": DOWN, "scenario": "container-start-failure", **by_monitor},
            {"alarm": MISSING, "scenario": "redis-corruption", **by_monitor},
        ],
    }


def with_docker(box: Sandbox) -> bool:
    """Bring the Docker stack up, as a staging that may be drilled; false where there is no engine."""
    from rules.errors import BackstopError

    try:
        box.stack  # noqa: B018 - asking for it brings it up
    except BackstopError as error:
        Console(stderr=True).print(f"left out, no Docker stack: {error.message}")
        return False
    path: Path = box.home.environments / "masking.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told |= {"tier": "staging", "drills": {"allowed": [{"fault": fault} for fault in ON_DOCKER]}}
    told |= {"automatic_up_to": "one approver"}
    told["platform"]["rpo_seconds"] = 3600
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    return True


def with_items(box: Sandbox) -> None:
    """Put items into preprod's table, and allow them to be damaged by a drill."""
    from sandbox.damaged_data import WHOLE, item

    table = box.place("preprod").table
    for number in range(WHOLE):
        box.client("dynamodb").put_item(TableName=table, Item=item(number, "a good day"))
    path: Path = box.home.environments / "preprod.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told["drills"]["allowed"] += [{"fault": fault, "table": table} for fault in ON_DATA]
    path.write_text(yaml.safe_dump(told), encoding="utf-8")


def consumed(box: Sandbox) -> None:
    """Play billing, which handles its messages and gets new ones: each search costs those that lie there a try."""
    from sandbox.test_kit.place import BILLING, OTHERS, KitPlace, dead, publish_innocents

    place = KitPlace(box.home)
    sqs = place.client("sqs")
    for queue, count in ((BILLING, OTHERS), (dead(BILLING), 2)):
        url = place.url(queue)
        while taken := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in taken:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        publish_innocents(place, queue, count)
