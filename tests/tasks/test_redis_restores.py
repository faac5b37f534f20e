"""A backup's data is in Redis again, however that keeps it; what was there before is kept too."""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest

from ledger.cases import Case
from rules.backups import DATA, BackupKind, BackupManifest
from rules.errors import RecoveryRefused
from rules.redis_restores import COMPLETE, KeptData, kept_folder
from sandbox.stack.engine import Engine
from sandbox.stack.stack import wait_for
from tasks._redis_folder import RedisFolder
from tasks.backups import Occasion, take_backup
from tasks.kinds import in_parallel
from tasks.redis_restores import restore_redis_data
from tasks.redis_returns import put_back_redis_data
from tests.lone_redis import LoneRedis, Setting, lone_redis

pytestmark = [pytest.mark.real, pytest.mark.slow]
MANUAL = Occasion(kind=BackupKind.MANUAL)
EVERY = [Setting(*switches) for switches in itertools.product((False, True), repeat=4)]
KEYS = 300


@pytest.fixture
def every(engine: Engine, lone_network: str, tmp_path: Path) -> Iterator[list[LoneRedis]]:
    """Give a test a Redis of every setting."""
    client = docker.DockerClient(engine.address, version="auto", max_pool_size=32)
    with ExitStack() as closing:

        def started(setting: Setting) -> LoneRedis:
            home = tmp_path / setting.name
            return closing.enter_context(lone_redis(client, engine.address, lone_network, home, setting))

        yield in_parallel([partial(started, each) for each in EVERY])


def fill(lone: LoneRedis) -> BackupManifest:
    """Store something, and back it up."""
    with lone.redis() as redis:
        redis.mset({f"aws_masker:map:{number}": str(number) for number in range(KEYS)})
        redis.set("aws_masker:map:brief", "gone when it is restored", px=1500)
    return take_backup.fn(lone.environment, MANUAL)


def spoil(lone: LoneRedis) -> None:
    """Lose most of it, and write something since."""
    with lone.redis() as redis:
        redis.delete(*[f"aws_masker:map:{number}" for number in range(KEYS - 10)])
        redis.set("written-since", "1")


def told(lone: LoneRedis) -> dict[str, object]:
    """What Redis holds, as soon as it answers."""
    with lone.redis() as redis:
        wait_for(lambda: bool(redis.ping()), "it answers", 10)
        return {
            "keys": len(redis.keys("aws_masker:map:[0-9]*")),
            "sample": redis.get("aws_masker:map:7"),
            "since": redis.get("written-since"),
        }


def test_it_is_restored_under_every_setting(every: list[LoneRedis], acting: Case) -> None:
    """Append-only or not, saving or not, commands renamed or not, own file names or not: each key is back."""
    backups = in_parallel([partial(fill, each) for each in every])
    in_parallel([partial(spoil, each) for each in every])
    owners = [each.files() for each in every]

    effects = in_parallel(
        [
            partial(restore_redis_data, each.environment, made.id)
            for each, made in zip(every, backups, strict=True)
        ]
    )

    back = {"keys": KEYS, "sample": "7", "since": None}
    for lone, effect, before in zip(every, effects, owners, strict=True):
        assert effect.changed, lone.container.name
        assert told(lone) == back, lone.container.name
        after = lone.files()
        assert {uid for uid, _ in after.values()} == {uid for uid, _ in before.values()} == {999}
    in_parallel([partial(each.container.restart, timeout=3) for each in every])
    for lone in every:
        assert told(lone) == back, f"{lone.container.name} after a restart"


def content(lone: LoneRedis, path: str) -> bytes:
    """A file of Redis's data folder."""
    stream, _ = lone.container.get_archive(f"/data/{path}")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        file = tar.extractfile(tar.getmembers()[0])
        return file.read() if file else b""


def kept(lone: LoneRedis, case: Case, number: int = 1) -> KeptData:
    """What was kept."""
    return KeptData.model_validate_json(content(lone, f"{kept_folder(case.incident_id, number)}/{COMPLETE}"))


def test_what_was_there_is_kept_as_it_was(lone: LoneRedis, acting: Case) -> None:
    """Byte by byte, in a folder named after the incident, also after Redis has rewritten its own files."""
    made = fill(lone)
    spoil(lone)
    lone.container.kill()
    names = ["own.rdb", "own-aof/own.aof.1.incr.aof", "own-aof/own.aof.manifest"]
    before = {name: content(lone, name) for name in names}
    lone.container.start()

    restore_redis_data(lone.environment, made.id)

    with lone.redis() as redis:
        redis.bgrewriteaof()
        wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], "it is rewritten", 10)
        redis.bgsave()
    found = kept(lone, acting)
    assert (found.incident, found.backup) == (acting.incident_id, made.id)
    folder = kept_folder(acting.incident_id, 1)
    for name in names:  # it may have told its append-only file since that a key expired
        assert content(lone, f"{folder}/{name}").startswith(before[name])
    assert set(names) <= set(found.files)


@pytest.mark.parametrize(
    ("lone", "dies"),
    [
        (Setting(append_only=True), "keep"),
        (Setting(append_only=True), "put"),
        (Setting(append_only=True), "start"),
        (Setting(saves=True), "bring"),
    ],
    indirect=["lone"],
)
def test_a_run_that_dies_is_finished_by_the_next(
    lone: LoneRedis, acting: Case, dies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the new data comes, before the old is kept, before the new is put, before the start: all once."""
    made = fill(lone)
    spoil(lone)
    with monkeypatch.context() as patched:
        die_at(patched, dies)
        with pytest.raises(KeyboardInterrupt):
            restore_redis_data.fn(lone.environment, made.id)

    restore_redis_data.fn(lone.environment, made.id)

    assert told(lone) == {"keys": KEYS, "sample": "7", "since": None}
    assert kept(lone, acting).files
    with pytest.raises(docker.errors.NotFound):
        kept(lone, acting, 2)
    with lone.redis() as redis:
        redis.set("written-since", "2")
    assert not restore_redis_data.fn(lone.environment, made.id).changed
    assert told(lone)["since"] == "2"


def die_at(patched: pytest.MonkeyPatch, moment: str) -> None:
    """Let the next run end at that moment as if it were killed."""
    bring = RedisFolder.bring

    def die(*_args: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    def die_amid(folder: RedisFolder, data: Path) -> None:
        data.write_bytes(data.read_bytes()[:100])
        bring(folder, data)
        raise KeyboardInterrupt

    if moment == "start":
        patched.setattr("tasks.redis_restores.start", die)
    elif moment == "bring":
        patched.setattr(RedisFolder, "bring", die_amid)
    else:
        patched.setattr(RedisFolder, moment, die)


def test_another_backup_keeps_what_the_first_one_left(lone: LoneRedis, acting: Case) -> None:
    """Within one incident too, and where somebody stopped Redis in between: what was written since is not lost."""
    first = fill(lone)
    with lone.redis() as redis:
        redis.set("aws_masker:map:9000", "second")
    second = take_backup.fn(lone.environment, MANUAL)
    spoil(lone)
    restore_redis_data.fn(lone.environment, second.id)
    with lone.redis() as redis:
        redis.set("written-since-the-first", "1")
    lone.container.stop(timeout=5)

    restore_redis_data.fn(lone.environment, first.id)

    assert told(lone) == {"keys": KEYS, "sample": "7", "since": None}
    kept_then = kept(lone, acting, 2)
    folder = kept_folder(acting.incident_id, 2)
    assert any(b"written-since-the-first" in content(lone, f"{folder}/{name}") for name in kept_then.files)


def test_a_redis_that_crashes_over_its_data_is_restored(lone: LoneRedis, acting: Case) -> None:
    """Garbage where its append-only file begins: it is restarted again and again, until the backup is there."""
    made = fill(lone)
    lone.container.kill()
    with tarfile.open(fileobj=(kept_tar := io.BytesIO()), mode="w") as tar:
        info = tarfile.TarInfo("own-aof/own.aof.1.base.rdb")
        info.size, info.uid, info.gid = 9, 999, 999
        tar.addfile(info, io.BytesIO(b"NO-REDIS!"))
    lone.container.put_archive("/data", kept_tar.getvalue())
    lone.container.start()
    wait_for(lambda: reloaded(lone).status == "restarting", "it crashes", 10)

    restore_redis_data(lone.environment, made.id)

    assert told(lone)["keys"] == KEYS
    assert reloaded(lone).status == "running"
    assert content(lone, f"{kept_folder(acting.incident_id, 1)}/own-aof/own.aof.1.base.rdb") == b"NO-REDIS!"


def reloaded(lone: LoneRedis) -> Any:
    """The container as it is now."""
    lone.container.reload()
    return lone.container


@pytest.mark.parametrize("lone", [Setting(saves=True)], indirect=True)
def test_what_only_memory_held_is_kept(lone: LoneRedis, acting: Case) -> None:
    """Without an append-only file the last save and what memory held since are both kept; also where it cannot save."""
    made = fill(lone)
    spoil(lone)
    lone.container.exec_run(["chmod", "555", "/data"], user="root")

    restore_redis_data(lone.environment, made.id)

    folder = kept_folder(acting.incident_id, 1)
    assert b"written-since" in content(lone, f"{folder}/memory.rdb")
    assert b"written-since" not in content(lone, f"{folder}-on-disk/dump.rdb")
    assert told(lone)["keys"] == KEYS


@pytest.mark.parametrize("lone", [Setting()], indirect=True)
def test_settings_that_a_start_changes_are_followed(lone: LoneRedis, acting: Case) -> None:
    """Somebody switched the append-only file on in the running server: what the start believes is what counts."""
    made = fill(lone)
    with lone.redis() as redis:
        redis.config_set("appendonly", "yes")
    spoil(lone)

    restore_redis_data(lone.environment, made.id)

    assert told(lone)["keys"] == KEYS


def test_a_damaged_backup_is_refused_and_nothing_is_touched(lone: LoneRedis, acting: Case) -> None:
    """One flipped bit: Redis runs on with what it has."""
    made = fill(lone)
    data = Path(lone.environment.docker_stack.backups.directory or "") / "lone" / made.id / DATA
    data.chmod(0o600)
    damaged = bytearray(data.read_bytes())
    damaged[40] ^= 1
    data.write_bytes(damaged)
    spoil(lone)

    with pytest.raises(RecoveryRefused):
        restore_redis_data(lone.environment, made.id)

    assert told(lone)["keys"] == 10
    assert told(lone)["since"] == "1"


def test_the_runbooks_commands_lose_the_data(lone: LoneRedis, acting: Case) -> None:
    """`redis-cli --rdb` overwrites the good copy; a copied file that nobody reads is overruled at the restart."""
    made = fill(lone)
    good = Path(lone.environment.docker_stack.backups.directory or "") / "lone" / made.id / DATA
    with tarfile.open(fileobj=(sent := io.BytesIO()), mode="w") as tar:
        for name in ("restore.rdb", "redis-backup.rdb"):
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.mode = good.stat().st_size, 999, 0o644
            tar.addfile(info, io.BytesIO(good.read_bytes()))
    spoil(lone)
    lone.container.put_archive("/data", sent.getvalue())  # docker cp

    with lone.redis() as redis:
        redis.config_set("repl-diskless-sync-delay", "0")
    lone.container.exec_run(["redis-cli", "--rdb", "/data/restore.rdb"])

    assert b"written-since" in content(lone, "restore.rdb")  # the backup it was to restore is gone
    assert told(lone)["keys"] == 10
    lone.container.restart(timeout=5)
    assert told(lone)["keys"] == 10

    restore_redis_data(lone.environment, made.id)
    assert told(lone)["keys"] == KEYS


@pytest.mark.parametrize("lone", [Setting(append_only=True), Setting(saves=True)], indirect=True)
def test_what_was_kept_goes_back_once(lone: LoneRedis, acting: Case) -> None:
    """As it was, from copies: what is kept stays so, whatever is written then; what the restore left is kept too."""
    made = fill(lone)
    spoil(lone)
    restore_redis_data.fn(lone.environment, made.id)
    with lone.redis() as redis:
        redis.set("after-the-restore", "1")
    folder = kept_folder(acting.incident_id, 1)
    before = {name: content(lone, f"{folder}/{name}") for name in kept(lone, acting).files}

    put_back_redis_data.fn(lone.environment, made.id)

    wait_for(lambda: told(lone) == {"keys": 10, "sample": None, "since": "1"}, "it is back", 10)
    with lone.redis() as redis:
        redis.mset({f"more:{number}": "x" * 1000 for number in range(100)})
    assert not put_back_redis_data.fn(lone.environment, made.id).changed
    assert {name: content(lone, f"{folder}/{name}") for name in before} == before
    assert kept(lone, acting, 0).files
