"""Backups of a real stack: what is in them is what was there, and nothing half written is ever seen."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partialmethod
from pathlib import Path

import pytest
from docker.models.containers import Container, ExecResult

from blocks.backup_store import BackupStore
from blocks.environment import Environment
from ledger import leases
from ledger.database import open_ledger
from ledger.holders import this_process
from rules.backups import CONFIGURATION, DATA, MANIFEST, MOUNTED, STATE, BackupKind, BackupManifest
from rules.errors import LeaseHeld, RecoveryRefused, StepFailed, TransientFailure
from sandbox.stack.stack import DockerStack, wait_for
from tasks._seal_keys import seal_of
from tasks.backup_stores import store_of
from tasks.backups import Occasion, read_backups, take_backup
from tasks.redis_data import look_at_redis
from tasks.redis_dumps import CANARY

pytestmark = [pytest.mark.real, pytest.mark.slow]
DEPLOY = Occasion(kind=BackupKind.DEPLOY, reason="release 42, by ada@example.com")


def folder_of(environment: Environment) -> Path:
    """Where the environment's backups are."""
    return Path(environment.docker_stack.backups.directory or "") / environment.name


def opened(environment: Environment, backup: BackupManifest, name: str, scratch: Path) -> bytes:
    """A file of a backup, unsealed."""
    target = scratch / name
    store_of(environment).fetch(backup.id, name, target)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == backup.file(name).sha256
    return seal_of(environment).open(target.read_bytes(), backup.id, name)


def elsewhere(environment: Environment, store: BackupStore) -> Environment:
    """The environment with another backup store."""
    platform = environment.docker_stack.model_copy(update={"backups": store})
    return environment.model_copy(update={"platform": platform})


def test_a_backup_holds_what_was_there(
    masking: Environment, fresh_stack: DockerStack, tmp_path: Path
) -> None:
    """Configuration, container states, mounted files and every key; sealed, hashed, counted, and the stack unharmed."""
    fresh_stack.fill(2000)

    made = take_backup.fn(masking, DEPLOY)

    assert [each.id for each in read_backups.fn(masking)] == [made.id]
    assert opened(masking, made, CONFIGURATION, tmp_path) == fresh_stack.config_env.read_bytes()
    state = json.loads(opened(masking, made, STATE, tmp_path))
    assert {each["Name"].removeprefix(f"/{fresh_stack.addresses.project}-") for each in state["containers"]} == {
        "redis", "app", "kong", "nginx"}  # fmt: skip
    assert [each["Name"] for each in state["networks"]] == [f"{fresh_stack.addresses.project}-enterprise"]
    assert [each["Name"] for each in state["volumes"]] == [f"{fresh_stack.addresses.project}-redis-data"]
    assert set(made.images.values()) == set(state["images"])
    with tarfile.open(fileobj=io.BytesIO(opened(masking, made, MOUNTED, tmp_path))) as tar:
        file = tar.extractfile("kong/usr/local/kong/declarative/kong.yml")
        assert file is not None
        assert file.read() == (fresh_stack.home / "kong.yml").read_bytes()
    assert made.data.key_count == 2001
    assert made.data.counted_in == "file"
    assert made.data.by_prefix == {"aws_masker:map:": 1000, "aws_masker:rev:": 1000}
    assert made.redis.data_path == "/data/masker.rdb"
    assert made.redis.append_only
    assert made.redis.renamed == ("CONFIG", "DEBUG", "FLUSHALL")
    assert fresh_stack.redis().hget(CANARY, made.id) == made.data.canary_value
    data = tmp_path / "data"
    data.write_bytes(opened(masking, made, DATA, tmp_path))
    assert loaded(fresh_stack, data, made) == (2001, made.data.canary_value)
    assert all(file.sealed for file in made.files)


def loaded(stack: DockerStack, data: Path, made: BackupManifest) -> tuple[int, str]:
    """What a Redis of its own finds in a data file: the number of keys, and the backup's canary."""
    script = (
        "redis-server --dir /load --dbfilename data.rdb --port 7001 --daemonize yes >/dev/null;"
        "until [ $(redis-cli -p 7001 ping) = PONG ]; do :; done;"
        f"redis-cli -p 7001 dbsize; redis-cli -p 7001 hget {CANARY} {made.id}"
    )
    with_data = stack.client.containers.create(
        made.images["redis"], ["sh", "-c", script], user="root", network_mode="none"
    )
    try:
        kept = io.BytesIO()
        with tarfile.open(fileobj=kept, mode="w") as tar:
            tar.add(data, arcname="load/data.rdb")
        with_data.put_archive("/", kept.getvalue())
        with_data.start()
        with_data.wait(timeout=30)
        said: bytes = stack.client.api.logs(with_data.attrs["Id"])
        keys, canary = said.decode().split()[-2:]
    finally:
        with_data.remove(force=True)
    return int(keys), canary


def test_no_secret_lies_open(masking: Environment, fresh_stack: DockerStack) -> None:
    """Neither the password nor a person's address is in any file; nobody else may read them."""
    made = take_backup.fn(masking, DEPLOY)

    folder = folder_of(masking) / made.id
    for file in folder.iterdir():
        assert fresh_stack.password.encode() not in file.read_bytes(), file.name
        assert file.stat().st_mode & 0o077 == 0
    assert "ada@example.com" not in (folder / MANIFEST).read_text()
    assert folder_of(masking).stat().st_mode & 0o077 == 0


def test_what_is_sealed_opens_with_its_key_in_its_place_only(
    masking: Environment, fresh_stack: DockerStack
) -> None:
    """Another key, another backup's file and a changed byte give nothing out."""
    made = take_backup.fn(masking, DEPLOY)
    kept = (folder_of(masking) / made.id / CONFIGURATION).read_bytes()
    seal = seal_of(masking)

    assert seal.open(kept, made.id, CONFIGURATION) == fresh_stack.config_env.read_bytes()
    for content, backup, name in (
        (kept, made.id, STATE),
        (kept, made.id.replace("deploy", "manual"), CONFIGURATION),
        (kept[:-1] + bytes([kept[-1] ^ 1]), made.id, CONFIGURATION),
    ):
        with pytest.raises(RecoveryRefused, match="cannot be opened"):
            seal.open(content, backup, name)


def test_without_a_key_nothing_is_written(masking: Environment) -> None:
    """Plain backups are made only where somebody wrote `plain: true`; a key that is none is refused."""
    at = masking.docker_stack.backups.directory
    neither = elsewhere(masking, BackupStore(directory=at))

    with pytest.raises(RecoveryRefused, match="have no key") as refused:
        take_backup.fn(neither, DEPLOY)
    assert "plain: true" in refused.value.hint
    assert not folder_of(masking).exists()

    plain = take_backup.fn(elsewhere(masking, BackupStore(directory=at, plain=True)), DEPLOY)
    assert plain.seal == ""
    assert b"AWS_MASKING_ENABLED" in (folder_of(masking) / plain.id / CONFIGURATION).read_bytes()


def test_two_at_once_are_two(masking: Environment, fresh_stack: DockerStack) -> None:
    """Backups that meet wait for each other's save, and both are whole."""
    fresh_stack.fill(20_000)
    open_ledger()

    with ThreadPoolExecutor() as both:
        made = list(both.map(lambda _: take_backup(masking, DEPLOY), range(2)))

    assert len({each.id for each in made}) == 2
    assert {each.data.key_count for each in made} == {20_001}
    assert {each.id for each in read_backups.fn(masking)} == {each.id for each in made}


def test_a_redis_that_cannot_save_gives_its_data_out_all_the_same(
    masking: Environment, fresh_stack: DockerStack, tmp_path: Path
) -> None:
    """Where the background save fails, the data is streamed as to a replica, and the manifest says so."""
    fresh_stack.fill(500)
    fresh_stack.container("redis").exec_run(["chmod", "555", "/data"], user="root")

    made = take_backup.fn(masking, DEPLOY)

    assert made.data.written_by == "replication"
    assert made.data.key_count == 500
    assert opened(masking, made, DATA, tmp_path)[:5] == b"REDIS"


def test_a_busy_engine_that_loses_what_a_command_says_is_asked_again(
    masking: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is no damage: the keys of the data file are counted all the same; for ever silent, it is tried later."""
    real, lost = Container.exec_run, list[object]()

    def lossy(self: Container, cmd: list[str], most: int = 1) -> ExecResult:
        answer: ExecResult = real(self, cmd)
        if "redis-check-rdb" in cmd and len(lost) < most:
            lost.append(cmd)
            return ExecResult(0, b"")
        return answer

    monkeypatch.setattr(Container, "exec_run", lossy)
    assert take_backup.fn(masking, Occasion(kind=BackupKind.MANUAL)).data.counted_in == "file"
    assert len(lost) == 1

    monkeypatch.setattr(Container, "exec_run", partialmethod(lossy, most=100))
    with pytest.raises(TransientFailure, match="said nothing"):
        take_backup.fn(masking, Occasion(kind=BackupKind.MANUAL))


def test_a_stopped_redis_is_no_backup(masking: Environment, fresh_stack: DockerStack) -> None:
    """A backup without the data would promise what it cannot keep: there is none, and nothing is left."""
    fresh_stack.container("redis").stop(timeout=3)
    wait_for(lambda: not look_at_redis.fn(masking).answers, "it is down", 10)

    with pytest.raises(StepFailed, match="no container of redis runs"):
        take_backup.fn(masking, DEPLOY)

    assert visible(folder_of(masking)) == []


def visible(folder: Path) -> list[str]:
    """Everything in a store, but for its lock."""
    return sorted(entry.name for entry in folder.iterdir() if entry.name != ".lock")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_leaves_nothing_behind(
    masking: Environment, fresh_stack: DockerStack, tmp_path: Path
) -> None:
    """One clear error, no half backup, and the earlier backups stay."""
    fresh_stack.fill(40_000)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    try:
        full = elsewhere(masking, BackupStore(directory=str(disk), seal=masking.docker_stack.backups.seal))
        made = take_backup.fn(full, DEPLOY)
        with pytest.raises(StepFailed, match="no space is left"):
            take_backup.fn(full, DEPLOY)

        assert visible(disk / masking.name) == [made.id]
        assert fresh_stack.container("redis").status == "running"  # the engine waits for no reader
        assert [each.id for each in read_backups.fn(full)] == [made.id]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_a_killed_backup_left_is_swept_up(masking: Environment, fresh_stack: DockerStack) -> None:
    """SIGKILL half way leaves nothing that counts; the next backup removes it, and spares one that is being written."""
    store = store_of(masking)
    script = (
        "import sys, time; from pathlib import Path; from tasks._backup_directory import DirectoryStore\n"
        "with DirectoryStore(Path(sys.argv[1])).stage() as folder:\n"
        "    (folder / 'redis.rdb').write_bytes(b'half'); print(folder.name, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder_of(masking))], stdout=subprocess.PIPE, text=True
    ) as half:
        assert half.stdout is not None
        left = half.stdout.readline().strip()
        with store.stage() as mine:
            assert {left, mine.name} <= set(visible(folder_of(masking)))
            half.send_signal(signal.SIGKILL)
            half.wait()
            assert store.ids() == []
            made = take_backup.fn(masking, DEPLOY)
            assert visible(folder_of(masking)) == sorted([mine.name, made.id])


def test_none_is_made_while_an_incident_acts(masking: Environment) -> None:
    """Half a recovery is no restore point: refused before, and what was begun before it is not kept."""
    now = datetime.now(UTC)
    with open_ledger().session() as session:
        fence = leases.acquire(session, masking.name, "stack-1", this_process("the tests"), now, 60)
    with pytest.raises(LeaseHeld, match="stack-1"):
        take_backup.fn(masking, DEPLOY)
    with open_ledger().session() as session:
        leases.release(session, masking.name, fence)

    assert take_backup.fn(masking, DEPLOY).kind is BackupKind.DEPLOY


def test_clients_are_served_while_it_is_made(masking: Environment, fresh_stack: DockerStack) -> None:
    """Writes go on during a backup, and every one that was answered is in Redis afterwards."""
    fresh_stack.fill(20_000)
    done, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        redis = fresh_stack.redis()
        while not done.is_set():
            redis.set(f"aws_masker:map:LIVE_{written}", "1")
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = take_backup.fn(masking, DEPLOY)
    finally:
        done.set()
        writer.join()

    assert 20_001 <= made.data.key_count <= 20_001 + written
    assert fresh_stack.redis().dbsize() == 20_001 + written
