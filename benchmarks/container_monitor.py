"""A container monitor as every installation has one: it tells of what is down or missing in the practice stack."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx

from benchmarks.practice import meanwhile

if TYPE_CHECKING:
    from sandbox.world import Sandbox

DOWN, MISSING = "ContainerDown", "RedisKeysMissing"
TOKEN = "the monitor's own"  # noqa: S105 - of this benchmark alone


@contextmanager
def monitor(box: Sandbox, url: str) -> Iterator[None]:
    """What tells that a container is down or that keys are missing: once for each time that it is so."""
    wrong: dict[str, Callable[[], bool]] = {
        DOWN: lambda: box.stack.container("kong").status != "running",
        MISSING: lambda: _keys(box) < whole * 0.9,
    }
    whole = _keys(box)
    before = dict.fromkeys(wrong, False)

    def watch() -> None:
        for alarm, look in wrong.items():
            with suppress(Exception):  # while it is recovered it may not answer
                now = look()
                if now and not before[alarm]:
                    _tell(url, alarm)
                before[alarm] = now

    with meanwhile(watch, 0.5):
        yield


def _keys(box: Sandbox) -> int:
    from sandbox.stack.stack import PREFIX

    with box.stack.redis(5) as redis:
        return sum(1 for _ in redis.scan_iter(f"{PREFIX}*", count=10_000))


def _tell(url: str, alarm: str) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    alert = {
        "labels": {"alertname": alarm},
        "startsAt": at,
        "status": "firing",
        "fingerprint": f"{alarm}{at}",
    }
    body = {"version": "4", "status": "firing", "alerts": [alert]}
    httpx.post(url, json=body, headers={"Authorization": f"Bearer {TOKEN}"}).raise_for_status()
