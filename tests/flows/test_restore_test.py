"""A backup is proven by a restore that was tried, and by nothing else; the stack beside it serves on."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from docker import DockerClient

from blocks.environment import Environment
from blocks.escalation_path import EscalationPath
from flows.restore_test import restore_test
from rules.backups import DATA, MANIFEST, BackupKind, BackupManifest
from rules.errors import RecoveryRefused
from rules.outcomes import Verdict
from rules.retention import Proof
from tasks._trial_redis import LABEL
from tasks.backup_proofs import proofs
from tasks.backups import Occasion, take_backup
from tests.channels import kept_in, open_channel
from tests.lone_redis import LoneRedis

pytestmark = [pytest.mark.real, pytest.mark.slow]
MANUAL = Occasion(kind=BackupKind.MANUAL)


def backed_up(lone: LoneRedis, keys: int = 500) -> BackupManifest:
    """Store something, and back it up."""
    with lone.redis() as redis:
        redis.mset({f"aws_masker:map:{number}": f"i-{number:017x}" for number in range(keys)})
        redis.hset("aws_masker:counts", mapping={"a": "1"})
        redis.set("aws_masker:brief", "soon gone", ex=300)
    return take_backup.fn(lone.environment, MANUAL)


def file_of(lone: LoneRedis, made: BackupManifest, name: str) -> Path:
    """A file of a backup in its store, that may be spoiled."""
    file = Path(lone.environment.docker_stack.backups.directory or "") / "lone" / made.id / name
    file.chmod(0o600)
    return file


def trials(lone: LoneRedis) -> list[str]:
    """The throw-away containers there are."""
    client = DockerClient(lone.environment.docker_stack.host.address, version="auto")
    return [str(each.id) for each in client.containers.list(all=True, filters={"label": LABEL})]


def test_a_backup_that_brings_everything_back_is_proven(lone: LoneRedis) -> None:
    """Keys, canary, counts by prefix, sampled values; nothing of the test is left, and nothing of the stack changed."""
    made = backed_up(lone)
    assert len(made.data.sample) >= 18
    lone.container.reload()
    started = lone.container.attrs["State"]["StartedAt"]

    [trial] = restore_test.fn(lone.environment)

    assert trial.verification.verdict is Verdict.PASS, trial.verification.reasons
    assert [check.name for check in trial.verification.checks] == [
        "files", "restored data", "keys aws_masker:*", "sample"]  # fmt: skip
    assert proofs.fn(lone.environment) == {made.id: Proof.PROVEN}
    assert trials(lone) == []
    lone.container.reload()
    assert lone.container.attrs["State"]["StartedAt"] == started
    assert restore_test.fn(lone.environment) == []  # it was tested
    assert len(restore_test.fn(lone.environment, made.id)) == 1  # asked for by name it is tested again


def test_a_state_that_was_kept_without_data_hides_no_backup(lone: LoneRedis) -> None:
    """It cannot bring data back and need not: the newest backup that promises data is tested."""
    made = backed_up(lone)
    lone.container.stop(timeout=1)
    kept = take_backup.fn(lone.environment, Occasion(kind=BackupKind.ROLLBACK, whole=False))
    lone.container.start()
    assert not kept.has_data

    [trial] = restore_test.fn(lone.environment)

    assert proofs.fn(lone.environment) == {made.id: Proof.PROVEN}
    assert trial.backup == made.id


def test_one_that_fails_is_marked_and_people_are_told_once(lone: LoneRedis) -> None:
    """A flipped bit, values that are others, a file that Redis cannot read: each is found."""
    flipped, lied, foreign = backed_up(lone), backed_up(lone, 600), backed_up(lone, 700)
    data = file_of(lone, flipped, DATA)
    spoiled = bytearray(data.read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    data.write_bytes(spoiled)
    rewrite(lone, lied, sample=dict.fromkeys(lied.data.sample, "string 000"))
    unreadable(lone, foreign)
    with open_channel() as channel:
        told = with_channel(lone.environment, channel.address)

        ended = {each.backup: each.verification.reasons for each in restore_test.fn(told, every=True)}
        restore_test.fn(told, flipped.id)

    assert "files: redis.rdb" in ended[flipped.id][0]
    assert ended[lied.id] == ("sample: 0 of 20 sampled keys have the value they had",)
    assert "does not start with it" in ended[foreign.id][0]
    assert set(proofs.fn(lone.environment).values()) == {Proof.FAILED}
    assert len(channel.told) == 3
    assert trials(lone) == []


def rewrite(lone: LoneRedis, made: BackupManifest, **facts: object) -> None:
    """Let a manifest promise something else."""
    changed = made.model_copy(update={"data": made.data.model_copy(update=facts)})
    file_of(lone, made, MANIFEST).write_text(changed.model_dump_json())


def unreadable(lone: LoneRedis, made: BackupManifest) -> None:
    """Let a data file be no data file, with a manifest that agrees with it."""
    content = b"REDIS9999" + b"\0" * 100
    file_of(lone, made, DATA).write_bytes(content)
    file = made.file(DATA).model_copy(
        update={"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    )
    others = tuple(each for each in made.files if each.name != DATA)
    file_of(lone, made, MANIFEST).write_text(
        made.model_copy(update={"files": (*others, file)}).model_dump_json()
    )


def with_channel(environment: Environment, address: str) -> Environment:
    """The environment with somebody who listens."""
    os.environ["RESTORE_TEST_CHANNEL"] = address
    path = EscalationPath(notices=[kept_in("RESTORE_TEST_CHANNEL")])
    return environment.model_copy(update={"escalation": path})


def test_what_a_killed_test_left_is_swept_away(lone: LoneRedis) -> None:
    """SIGKILL right after the throw-away Redis started: it is gone when the next test ends, and that one proves."""
    made = backed_up(lone)
    script = (
        "import os, signal, sys; from tasks import _trial_redis, restore_trials\n"
        "from blocks.environment import Environment\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "_trial_redis.TrialRedis.loaded = die\n"
        "restore_trials.try_restore.fn(Environment.model_validate_json(sys.argv[1]), sys.argv[2])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, lone.environment.model_dump_json(), made.id], check=False
    )
    assert ended.returncode == -9
    assert len(trials(lone)) == 1

    [trial] = restore_test.fn(lone.environment, made.id)

    assert trial.verification.verdict is Verdict.PASS
    assert trials(lone) == []


def test_a_name_that_is_none_is_refused(lone: LoneRedis) -> None:
    """A backup id that tries to leave its folder gets one clear error, and nothing is noted."""
    with pytest.raises(RecoveryRefused, match="cannot be the name"):
        restore_test.fn(lone.environment, "../../etc")
    assert proofs.fn(lone.environment) == {}
