"""Letting backups go: the decision over 100,000 of them, and deleting beside a bare `shutil.rmtree` of the same.

Deleting is what the daily run does of it: out of the trash, every file, its note, with a look for a recovery in
between. Both ways take turns on folders of the same files; nothing of either is in the other's way.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure
from blocks.environment import Environment
from rules.backups import CONFIGURATION, DATA, MANIFEST, MOUNTED, STATE, BackupKind, new_id
from rules.retention import Kept, Proof, decide
from rules.severity import Tier

DECIDED, DELETED, ROUNDS = 100_000, 400, 5
SIZES = {CONFIGURATION: 1_000, STATE: 40_000, MOUNTED: 20_000, DATA: 250_000, MANIFEST: 2_000}
LAST = datetime(2026, 3, 1, tzinfo=UTC)


def measure() -> Iterator[Figure]:
    """Decide, then delete, each several times."""
    yield from _decisions()
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as name:
        yield from _deletions(Path(name))


def _decisions() -> Iterator[Figure]:
    backups = [
        Kept(
            _name(number),
            LAST - number * timedelta(minutes=5),
            Proof(list(Proof)[number % 3]),
            number % 50 == 0,
        )
        for number in range(DECIDED)
    ]
    needed = {backups[number].id: "an incident" for number in range(0, DECIDED, 1_000)}
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        told = decide(backups, Tier.PRODUCTION, needed=needed)
        taken.append(time.perf_counter() - began)
        if len(told) != DECIDED:
            raise AssertionError(len(told))
    yield Figure.at_most(f"retention: decision over {DECIDED} backups, median", median(taken), "s", 1.0)
    yield Figure.raw("retention: the same, fastest", min(taken), "s")


def _deletions(home: Path) -> Iterator[Figure]:
    from tasks.backup_keeping import delete_for_good, nobody_recovers

    os.environ["BACKSTOP_HOME"] = str(home / "home")
    environment = _environment(home / "backups")
    trash, names = home / "backups" / "bench" / ".trash", [_name(number) for number in range(DELETED)]
    fence = nobody_recovers.fn(environment)  # opens the ledger
    ours, bare = list[float](), list[float]()
    for number in range(2 * ROUNDS):
        _filled(trash if number % 2 else home / "bare", names)
        os.sync()
        began = time.perf_counter()
        if number % 2:
            delete_for_good.fn(environment, names, fence)
            ours.append(time.perf_counter() - began)
            if any(trash.iterdir()):
                raise AssertionError("something was left in the trash")
        else:
            for name in names:
                shutil.rmtree(home / "bare" / name)
            bare.append(time.perf_counter() - began)
    yield Figure.at_most(
        f"retention: deleting {DELETED} backups, times rmtree", median(ours) / median(bare), "x", 1.3
    )
    yield Figure.raw("retention: deleting them, median", median(ours), "s")
    yield Figure.raw("retention: deleting them, fastest", min(ours), "s")
    yield Figure.raw("retention: bare rmtree, median", median(bare), "s")
    yield Figure.raw("retention: bare rmtree, fastest", min(bare), "s")


def _filled(place: Path, names: list[str]) -> None:
    for name in names:
        (place / name).mkdir(parents=True)
        for file, size in SIZES.items():
            (place / name / file).write_bytes(bytes(size))


def _name(number: int) -> str:
    return new_id(BackupKind.SCHEDULED, LAST - number * timedelta(minutes=5), f"{number % 65536:04x}")


def _environment(folder: Path) -> Environment:
    """A stack that is nowhere: deleting looks at its store only."""
    return Environment.model_validate(
        {
            "name": "bench",
            "tier": "production",
            "platform": {
                "kind": "docker_stack",
                "host": {"address": "unix:///nowhere.sock"},
                "project": "bench",
                "services": ["redis", "kong"],
                "config_file": "/nowhere/config.env",
                "redis": {},
                "gateway": {"admin_url": "http://127.0.0.1:1", "proxy_url": "http://127.0.0.1:1"},
                "backups": {"directory": str(folder), "plain": True},
            },
        }
    )
