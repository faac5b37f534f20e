"""A restore test that is killed and started again."""

from __future__ import annotations

import os
import random
import shutil
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
from tests.crash.sweep import FILES, Start, forkserver, run, survive
from tests.lone_redis import LoneRedis

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.slow]
ALL, SAMPLE, SEED = bool(os.getenv("BACKSTOP_SWEEP")), 2, 20260131


def prove(described: dict[str, Any]) -> object:
    """Test the newest backup as the schedule does."""
    from blocks.environment import Environment
    from flows.restore_test import restore_test

    return [
        each.verification.verdict.value for each in restore_test.fn(Environment.model_validate(described))
    ]


class Untested:
    """A Redis alone, with a backup of which nothing is known."""

    def __init__(self, lone: LoneRedis, home: Path) -> None:
        self.environment, self.home = lone.environment, home
        with lone.redis() as redis:
            redis.mset({f"aws_masker:map:{number}": str(number) for number in range(500)})
        self.backup = take_backup.fn(lone.environment, Occasion(kind=BackupKind.MANUAL)).id
        self.store = Path(str(lone.environment.docker_stack.backups.directory))

    def break_it(self) -> None:
        forget_opened()
        for folder in (self.home, self.store / self.environment.name / ".notes"):
            shutil.rmtree(folder, ignore_errors=True)
        self.home.mkdir(parents=True)

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {"BACKSTOP_HOME": str(self.home), FILES: str(self.store)}
        return prove, (self.environment.model_dump(mode="json"),), settings

    def ended_well(self, outcome: object) -> bool:
        return outcome in (["pass"], [])  # empty: the run that died had noted it

    def state(self) -> object:
        return proofs.fn(self.environment)

    def twice(self) -> list[str]:
        return []

    def left_behind(self) -> list[str]:
        client = DockerClient(self.environment.docker_stack.host.address, version="auto")
        return [str(each.name) for each in client.containers.list(all=True, filters={"label": LABEL})]


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """One fork server for the module."""
    return forkserver()


def test_a_backup_is_proven_once(lone: LoneRedis, context: ForkServerContext, tmp_path: Path) -> None:
    """Killed anywhere and started again, it is proven, and no throw-away Redis is left."""
    world = Untested(lone, tmp_path / "world")
    world.break_it()
    whole = run(context, world)
    assert whole.outcome == ["pass"], (world.home / "told" / "output").read_text()
    wanted, points = world.state(), range(len(whole.crossed))
    assert wanted == {world.backup: Proof.PROVEN}
    chosen = points if ALL else sorted(random.Random(SEED).sample(points, min(SAMPLE, len(points))))
    for number in chosen:
        survive(context, world, number, wanted)
