"""A backup killed before every change of a file, and made again."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from ledger.database import forget_opened
from tasks.backup_stores import store_of
from tests.crash.sweep import FILES, Start, forkserver, run, survive

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.slow]

ALL = bool(os.getenv("BACKSTOP_SWEEP"))
SAMPLE, SEED = 6, 20260131


def back_up(described: dict[str, Any]) -> object:
    """Back up as `deploy.sh` does."""
    from blocks.environment import Environment
    from flows.backup import backup
    from rules.backups import BackupKind

    return backup.fn(Environment.model_validate(described), BackupKind.DEPLOY).kind.value


class Stack:
    """The practice stack with an empty store."""

    def __init__(self, environment: Environment, home: Path) -> None:
        self.environment, self.home = environment, home
        self.store = Path(str(environment.docker_stack.backups.directory))

    def break_it(self) -> None:
        forget_opened()
        for folder in (self.home, self.store):
            shutil.rmtree(folder, ignore_errors=True)
        self.home.mkdir(parents=True)

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        described = self.environment.model_dump(mode="json")
        return back_up, (described,), {"BACKSTOP_HOME": str(self.home), FILES: str(self.store)}

    def ended_well(self, outcome: object) -> bool:
        return outcome == "deploy"

    def state(self) -> object:
        """What whole backups there are; each file of one is as its manifest says."""
        found, store = set(), store_of(self.environment)
        for backup in store.ids():
            manifest = store.manifest(backup)
            for file in manifest.files:
                kept = (self.store / self.environment.name / backup / file.name).read_bytes()
                assert (len(kept), hashlib.sha256(kept).hexdigest()) == (file.size, file.sha256), file.name
            found.add((manifest.kind, manifest.data.key_count, tuple(file.name for file in manifest.files)))
        return found

    def twice(self) -> list[str]:
        """One that was whole when its run died counts, and so does the one that was made again."""
        ids = store_of(self.environment).ids()
        return ids if len(ids) > 2 else []

    def left_behind(self) -> list[str]:
        visible = {path.name for path in (self.store / self.environment.name).iterdir()} - {".lock"}
        return sorted(visible - set(store_of(self.environment).ids()))


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """One fork server for the module."""
    return forkserver()


def test_a_backup_is_whole_or_not_there(
    masking: Environment, context: ForkServerContext, tmp_path: Path
) -> None:
    """Killed before any change of a file, it never counts by half, and the next one clears it away."""
    world = Stack(masking, tmp_path / "world")
    world.break_it()
    whole = run(context, world)
    assert world.ended_well(whole.outcome), (world.home / "told" / "output").read_text()
    wanted, points = world.state(), range(len(whole.crossed))
    assert "before os.rename of a folder" in whole.crossed
    chosen = points if ALL else sorted({*random.Random(SEED).sample(points, SAMPLE), points[-1]})

    for number in chosen:
        survive(context, world, number, wanted)
