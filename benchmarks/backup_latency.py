"""How long a client of Redis waits while a backup of 1,000,000 keys is made, beside the same client with none.

The client is a process of its own that asks for a key every two milliseconds and notes its longest wait. Both take
turns for as long as a backup takes. What is Redis's own (the fork of its memory for a background save) is shown by a
third turn: a bare BGSAVE, with nothing of ours running.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, load_average
from blocks.environment import Environment
from rules.backups import BackupKind
from sandbox.stack import engine as engines
from sandbox.stack import images
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack

KEYS, ROUNDS, LIMIT_MS = 1_000_000, 3, 50.0
_CLIENT = """
import select, sys, time, redis
connection = redis.Redis(port=int(sys.argv[1]), password=sys.stdin.readline().strip() or None)
connection.ping(); print("ready", flush=True)
waits = []
while not select.select([sys.stdin], [], [], 0.002)[0]:
    began = time.perf_counter(); connection.get("backstop:nothing"); waits.append(time.perf_counter() - began)
waits.sort()
print(1000 * waits[-1], 1000 * waits[int(len(waits) * 0.999)], len(waits))
"""


def measure() -> Iterator[Figure]:
    """Alternate: nothing, a backup, a bare save."""
    import docker

    engine = engines.find_or_start()
    try:
        images.load(docker.DockerClient(engine.address, version="auto", timeout=120))
        with tempfile.TemporaryDirectory(prefix="backstop-bench-") as name:
            stack = DockerStack.start(Path(name) / "stack", engine.address)
            try:
                yield from _measured(stack, Path(name))
            finally:
                stack.remove()
    finally:
        engine.stop()


def _measured(stack: DockerStack, home: Path) -> Iterator[Figure]:
    from tasks.backups import Occasion, take_backup

    found = described(stack)
    found["platform"]["backups"]["directory"] = str(home / "backups")
    environment, seconds = Environment.model_validate(found), list[float]()
    stack.fill(KEYS)

    def back_up() -> None:
        began = time.perf_counter()
        made = take_backup.fn(environment, Occasion(kind=BackupKind.MANUAL))
        seconds.append(time.perf_counter() - began)
        if made.data.key_count < KEYS:
            raise AssertionError(made.data.key_count)

    back_up()  # what is opened and imported once
    waits: dict[str, list[tuple[float, float]]] = {"none": [], "backup": [], "save": []}
    for _ in range(ROUNDS):
        waits["backup"].append(_longest(stack, back_up))
        waits["none"].append(_longest(stack, lambda: time.sleep(seconds[-1])))
        waits["save"].append(_longest(stack, lambda: _bare_save(stack)))
    longest = {what: [wait for wait, _ in told] for what, told in waits.items()}
    yield Figure.at_most(
        f"backup of {KEYS} keys: longest wait of a client, worst", max(longest["backup"]), "ms", LIMIT_MS
    )
    yield Figure.raw("backup: longest wait, median", median(longest["backup"]), "ms")
    yield Figure.raw("backup: 99.9 % of waits, median", median(wait for _, wait in waits["backup"]), "ms")
    for what, told in (("no backup", "none"), ("a bare BGSAVE", "save")):
        yield Figure.raw(f"the same client, {what}: longest wait, worst", max(longest[told]), "ms")
        yield Figure.raw(f"the same client, {what}: longest wait, median", median(longest[told]), "ms")
    yield Figure.raw("Redis's own last fork", stack.redis().info("stats")["latest_fork_usec"] / 1000, "ms")
    yield Figure.raw(f"backup of {KEYS} keys, median", median(seconds[1:]), "s")
    yield Figure.raw(f"backup of {KEYS} keys, fastest", min(seconds[1:]), "s")
    yield Figure.raw("load", load_average(), "")


def _longest(stack: DockerStack, meanwhile: Callable[[], None]) -> tuple[float, float]:
    """The longest wait of the client meanwhile, and what all but a thousandth stay under; milliseconds."""
    words = [sys.executable, "-c", _CLIENT, str(stack.addresses.redis)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        if client.stdin is None or client.stdout is None:
            raise AssertionError("both are pipes")
        client.stdin.write(f"{stack.password}\n")
        client.stdin.flush()
        client.stdout.readline()
        meanwhile()
        client.stdin.write("stop\n")
        client.stdin.flush()
        longest, most, _ = client.stdout.readline().split()
    return float(longest), float(most)


def _bare_save(stack: DockerStack) -> None:
    redis = stack.redis()
    redis.bgsave()
    while redis.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.1)
