"""How long a client of Redis waits while a backup of 1,000,000 keys is made, beside the same client with none.

The client is a process of its own on a bare socket, before all others in the scheduler's queue where that is allowed,
so that it measures Redis and not itself. It asks for a key every millisecond and notes its waits. A backup, nothing for
as long, and a bare BGSAVE with nothing of ours running take turns: what a wait has in common with the second is the
machine's, with the third Redis's own. Redis's own record of slow commands tells how long it was busy with one thing.
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

KEYS, ROUNDS, LIMIT_MS = 1_000_000, 5, 50.0
_CLIENT = """
import contextlib, os, select, socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def ask(words):
    connection.sendall(words.encode() + b"\\r\\n")
    return connection.recv(4096)
assert ask("AUTH " + sys.stdin.readline().strip()) == b"+OK\\r\\n"
with contextlib.suppress(PermissionError):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
print("ready", flush=True)
waits = []
while not select.select([sys.stdin], [], [], 0.001)[0]:
    began = time.perf_counter(); ask("GET backstop:nothing"); waits.append(time.perf_counter() - began)
waits.sort()
print(1000 * waits[-1], 1000 * waits[int(len(waits) * 0.999)])
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
    redis, waits = stack.redis(), dict[str, list[tuple[float, float]]]()
    busy = dict[str, list[float]]()
    turns: dict[str, Callable[[], None]] = {
        "a backup": back_up,
        "no backup": lambda: time.sleep(seconds[-1]),
        "a bare BGSAVE": lambda: _bare_save(stack),
    }
    for _ in range(ROUNDS):
        for name, meanwhile in turns.items():
            redis.slowlog_reset()
            waits.setdefault(name, []).append(_longest(stack, meanwhile))
            slow = [each["duration"] / 1000 for each in redis.slowlog_get(128)]
            busy.setdefault(name, []).append(max(slow, default=0.0))
    yield Figure.at_most(
        f"backup of {KEYS} keys: longest wait of a client, median of {ROUNDS} rounds",
        median(wait for wait, _ in waits["a backup"]),
        "ms",
        LIMIT_MS,
    )
    for name, told in waits.items():
        longest, most = zip(*told, strict=True)
        yield Figure.raw(f"{name}: longest wait, worst round", max(longest), "ms")
        yield Figure.raw(f"{name}: longest wait, median round", median(longest), "ms")
        yield Figure.raw(f"{name}: longest wait, quietest round", min(longest), "ms")
        yield Figure.raw(f"{name}: 99.9 % of waits are under, median", median(most), "ms")
        yield Figure.raw(f"{name}: longest command of Redis over 10 ms, worst round", max(busy[name]), "ms")
    yield Figure.raw("Redis's own last fork", redis.info("stats")["latest_fork_usec"] / 1000, "ms")
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
        longest, most = client.stdout.readline().split()
    return float(longest), float(most)


def _bare_save(stack: DockerStack) -> None:
    redis = stack.redis()
    redis.bgsave()
    while redis.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.1)
