"""What happens to the engine, or to a disk, while Redis's data is restored."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from ledger.cases import Case
from rules.errors import StepFailed
from rules.redis_restores import Mark, kept_folder
from sandbox.stack.engine import Engine
from tasks._redis_folder import Member, RedisFolder
from tasks._tar_streams import second_name
from tasks.redis_restores import restore_redis_data
from tasks.redis_returns import put_back_redis_data
from tests.docker_engine import OwnEngine
from tests.lone_redis import LoneRedis, Setting, lone_redis
from tests.tasks.test_redis_restores import KEYS, content, fill, kept, spoil, told

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(180)]


def test_the_engine_restarts_while_it_is_restored(
    own_engine: OwnEngine, tmp_path: Path, acting: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the new data and the start the engine goes away for seconds: it is waited for, and nothing done twice."""
    client = docker.DockerClient(own_engine.address, version="auto", timeout=60)
    network = str(client.networks.create("backstop-own").name)
    with lone_redis(
        client, own_engine.address, network, tmp_path / "lone", Setting(append_only=True)
    ) as lone:
        made = fill(lone)
        spoil(lone)
        put, restarts = RedisFolder.put, list[threading.Thread]()

        def put_and_restart(folder: RedisFolder, mark: Mark) -> None:
            put(folder, mark)
            own_engine.stop()
            restarts.append(threading.Thread(target=own_engine.start))
            restarts[-1].start()

        monkeypatch.setattr(RedisFolder, "put", put_and_restart)
        effect = restore_redis_data(lone.environment, made.id)
        restarts[0].join()

        assert len(restarts) == 1
        assert not effect.changed  # the second try found it put, and started it
        assert told(lone) == {"keys": KEYS, "sample": "7", "since": None}
        assert kept(lone, acting).files


@pytest.mark.parametrize("lone", [Setting(append_only=True), Setting(saves=True)], indirect=True)
@pytest.mark.parametrize("fails", [False, True])
def test_a_redis_at_rest_is_replaced_in_one_go(
    lone: LoneRedis, acting: Case, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Also where the engine gives up at its very end: what was kept by then is not written over by the backup."""
    made = fill(lone)
    spoil(lone)
    lone.container.stop(timeout=10)
    placed, tries = RedisFolder._placed, list[Mark]()

    def broken_at_first(folder: RedisFolder, mark: Mark) -> list[Member]:
        tries.append(mark)
        *before, said = placed(folder, mark)
        nowhere = second_name("nowhere", "what is not there", folder.owner)
        return [*before, *([(nowhere, None)] if fails and len(tries) == 1 else []), said]

    monkeypatch.setattr(RedisFolder, "_placed", broken_at_first)
    restore_redis_data(lone.environment, made.id)

    assert len(tries) == 1 + fails
    assert told(lone) == {"keys": KEYS, "sample": "7", "since": None}
    folder = kept_folder(acting.incident_id, 1)
    assert any(b"written-since" in content(lone, f"{folder}/{name}") for name in kept(lone, acting).files)
    with pytest.raises(docker.errors.NotFound):
        kept(lone, acting, 2)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("full", ["Backstop", "Redis"])
def test_a_full_disk_changes_nothing(
    engine: Engine,
    lone_network: str,
    acting: Case,
    full: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Full or nearly, here or where Redis keeps its data: it serves on with what it has; with room it is restored."""
    client = docker.DockerClient(engine.address, version="auto")
    with (
        small_disk(tmp_path / "disk") as disk,
        lone_redis(
            client, engine.address, lone_network, tmp_path / "lone", Setting(append_only=True), place=disk
        ) as lone,
    ):
        made = fill(lone)
        spoil(lone)
        if full == "Backstop":
            monkeypatch.setattr(tempfile, "tempdir", str(disk))
        for spare in (4096, 32 << 10, 64 << 10):  # there is room for the data in the end, and for no more
            fill_up(disk, spare=spare)
            with pytest.raises(StepFailed, match="no space"):
                restore_redis_data.fn(lone.environment, made.id)
            assert told(lone) == {"keys": 10, "sample": None, "since": "1"}

        monkeypatch.undo()
        (disk / "junk").unlink()
        restore_redis_data.fn(lone.environment, made.id)
        assert told(lone)["keys"] == KEYS
        fill_up(disk, spare=32 << 10)
        with pytest.raises(StepFailed, match="no space"):
            put_back_redis_data.fn(lone.environment, made.id)
        assert told(lone)["keys"] == KEYS


def fill_up(disk: Path, *, spare: int) -> None:
    """Leave so much room on a disk."""
    (disk / "junk").write_bytes(b"")
    (disk / "junk").write_bytes(bytes(shutil.disk_usage(disk).free - spare))


@contextmanager
def small_disk(where: Path) -> Iterator[Path]:
    """A disk of half a megabyte, Redis's own."""
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,uid=999,gid=999", "tmpfs", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)
