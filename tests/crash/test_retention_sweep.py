"""Letting backups go, killed before every change of a file, and run again."""

from __future__ import annotations

import os
import random
import shutil
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from ledger.database import forget_opened
from rules.retention import Proof
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack
from tasks.backup_proofs import record_proof
from tasks.backup_stores import store_of
from tests.crash.sweep import FILES, Start, forkserver, run, survive
from tests.stored_backups import made_at, publish

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.slow]

ALL = bool(os.getenv("BACKSTOP_SWEEP"))
SAMPLE, SEED = 2, 20260131
LAST = datetime(2026, 3, 1, tzinfo=UTC)


def retain(described: dict[str, Any]) -> object:
    """Let go as the daily run does, and again as the next one does."""
    from blocks.environment import Environment
    from flows.backup_retention import backup_retention

    environment = Environment.model_validate(described)
    backup_retention.fn(environment)
    return backup_retention.fn(environment).environment


class Kept:
    """Backups of three weeks, one every two days: some go, some have been in the trash, one comes back."""

    def __init__(self, environment: Environment, home: Path) -> None:
        self.environment, self.home = environment, home
        self.root = Path(str(environment.docker_stack.backups.directory))

    def break_it(self) -> None:
        forget_opened()
        for folder in (self.home, self.root):
            shutil.rmtree(folder, ignore_errors=True)
        self.home.mkdir(parents=True)
        store = store_of(self.environment)
        names = []
        for number in range(11):
            made = made_at(LAST - timedelta(days=2 * number), critical=number == 8)
            publish(store, made)
            names.append(made.id)
        record_proof.fn(self.environment, names[0], Proof.PROVEN)
        record_proof.fn(self.environment, names[9], Proof.PROVEN)
        for number in (1, 8, 9):
            store.put_away(names[number])

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        told = self.environment.model_dump(mode="json")
        return retain, (told,), {"BACKSTOP_HOME": str(self.home), FILES: str(self.root)}

    def ended_well(self, outcome: object) -> bool:
        return outcome == self.environment.name

    def state(self) -> object:
        """What is listed and what is in the trash, each whole, and what is noted of which."""
        store, found = store_of(self.environment), []
        for names, in_trash in ((store.ids(), False), (store.trash(), True)):
            for name in names:
                manifest = store.manifest(name, in_trash=in_trash)
                folder = store_folder(self.root, self.environment, in_trash=in_trash) / name
                assert {path.name for path in folder.iterdir()} >= {file.name for file in manifest.files}
                found.append((name, in_trash))
        return found, sorted(store.notes())

    def twice(self) -> list[str]:
        return []

    def left_behind(self) -> list[str]:
        return [str(path) for path in (self.root / self.environment.name / ".deleted").glob("*")]


def store_folder(root: Path, environment: Environment, *, in_trash: bool) -> Path:
    """Where its backups lie."""
    return root / environment.name / ".trash" if in_trash else root / environment.name


def test_whatever_it_dies_at_the_next_run_finishes(docker_stack: DockerStack, tmp_path: Path) -> None:
    """Killed before any change of a file: what stays is whole, and the end is that of a run that nobody killed."""
    context: ForkServerContext = forkserver()
    found = described(docker_stack)
    found["platform"]["backups"]["directory"] = str(tmp_path / "backups")
    world = Kept(Environment.model_validate(found), tmp_path / "world")
    world.break_it()
    whole = run(context, world)
    assert world.ended_well(whole.outcome), (world.home / "told" / "output").read_text()
    wanted, points = world.state(), range(len(whole.crossed))
    assert {"before os.rename of a folder", "before shutil.rmtree of a folder"} <= set(whole.crossed)
    chosen = points if ALL else sorted({*random.Random(SEED).sample(points, SAMPLE), points[-1]})

    for number in chosen:
        survive(context, world, number, wanted)
