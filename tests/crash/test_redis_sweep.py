"""Redis's data restored, and backups tested, by runs that are killed and started again."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from ledger.database import forget_opened
from rules.backups import BackupKind
from rules.retention import Proof
from tasks._trial_redis import LABEL
from tasks.backup_proofs import proofs
from tasks.backups import Occasion, take_backup
from tests.crash import ledger_ends
from tests.crash.sweep import FILES, Start, World, forkserver, recovered, run, survive
from tests.lone_redis import LoneRedis

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]
ALL, SEED = bool(os.getenv("BACKSTOP_SWEEP")), 20260131
KEYS = 500


def restore(described: dict[str, Any]) -> object:
    """Recover as `backstop recover --local` does."""
    from blocks.environment import Environment
    from flows.redis_corruption import recover

    return recover.fn(Environment.model_validate(described))


def prove(described: dict[str, Any]) -> object:
    """Test every backup as the schedule does."""
    from blocks.environment import Environment
    from flows.restore_test import restore_test

    return [
        each.verification.verdict.value for each in restore_test.fn(Environment.model_validate(described))
    ]


class Alone:
    """A Redis alone, with a backup."""

    flow: Callable[..., object]

    def __init__(self, lone: LoneRedis, home: Path) -> None:
        self.lone, self.home = lone, home
        with lone.redis() as redis:
            redis.mset({f"aws_masker:map:{number}": str(number) for number in range(KEYS)})
        self.backup = take_backup.fn(lone.environment, Occasion(kind=BackupKind.MANUAL)).id
        self.store = Path(str(lone.environment.docker_stack.backups.directory))

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {"BACKSTOP_HOME": str(self.home), "BACKSTOP_DELAY_SCALE": "0.2"}
        return type(self).flow, (self.lone.environment.model_dump(mode="json"),), settings

    def left_behind(self) -> list[str]:
        client = DockerClient(self.lone.environment.docker_stack.host.address, version="auto")
        left = client.containers.list(all=True, filters={"label": LABEL})
        return [*ledger_ends.left_behind(self.home), *(str(each.name) for each in left)]


class Lost(Alone):
    """Most of its keys are lost."""

    flow = staticmethod(restore)

    def break_it(self) -> None:
        super().break_it()
        with self.lone.redis() as redis:
            redis.delete(*(f"aws_masker:map:{number}" for number in range(KEYS - 20)))

    def ended_well(self, outcome: object) -> bool:
        return recovered(outcome)

    def state(self) -> object:
        with self.lone.redis() as redis:
            return sorted((key, redis.get(key)) for key in redis.keys("aws_masker:*"))

    def twice(self) -> list[str]:
        """What an incident kept more than once: it was restored more than once."""
        paths = [name for name in self.lone.files() if name.endswith("complete.json")]
        return [name for name in paths if name.endswith("-2/complete.json")]


class Untested(Alone):
    """Nothing is known of its backup."""

    flow = staticmethod(prove)

    def break_it(self) -> None:
        super().break_it()
        shutil.rmtree(self.store / self.lone.environment.name / ".notes", ignore_errors=True)

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        function, arguments, settings = super().start()
        return function, arguments, {**settings, FILES: str(self.store)}

    def ended_well(self, outcome: object) -> bool:
        return outcome in (["pass"], [])  # empty: the run that died had noted it

    def state(self) -> object:
        return proofs.fn(self.lone.environment) == {self.backup: Proof.PROVEN}

    def twice(self) -> list[str]:
        return []


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """One fork server for the module."""
    return forkserver()


def sweep(context: ForkServerContext, world: World, most: int) -> None:
    """Kill it at some of its boundaries, or at all."""
    world.break_it()
    whole = run(context, world)
    assert world.ended_well(whole.outcome), (world.home / "told" / "output").read_text()
    wanted, points = world.state(), range(len(whole.crossed))
    chosen = points if ALL else sorted(random.Random(SEED).sample(points, min(most, len(points))))
    for number in chosen:
        survive(context, world, number, wanted)


def test_lost_data_is_restored_once(lone: LoneRedis, context: ForkServerContext, tmp_path: Path) -> None:
    """Killed anywhere and started again, every key is back, and what was there was kept once."""
    sweep(context, Lost(lone, tmp_path / "world"), 2)


def test_a_backup_is_proven_once(lone: LoneRedis, context: ForkServerContext, tmp_path: Path) -> None:
    """Killed anywhere and started again, it is proven, and no throw-away Redis is left."""
    sweep(context, Untested(lone, tmp_path / "world"), 2)
