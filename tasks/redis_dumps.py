"""Redis's data as one file: written by Redis itself, copied out through the engine, counted by Redis's own reader."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blocks.docker_errors import translated as docker_translated
from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.backups import DATA, BackupFile
from rules.errors import StepFailed, TransientFailure
from rules.redis_settings import RedisSettings
from tasks._container_files import archived
from tasks._kept_files import Shelf
from tasks._redis_saves import SaveRefused, persistence, save
from tasks._redis_settings import settings_of
from tasks._seals import Sink
from tasks.kinds import say
from tasks.redis_data import OWN_PREFIX, connection

if TYPE_CHECKING:
    from docker import DockerClient
    from redis import Redis

CANARY = f"{OWN_PREFIX}canary"
"""A hash of ours in the data: a field a backup, so that a restore can be told from every other."""
KEPT_CANARIES = 20

_TRIES = 5
_KEYS_READ = re.compile(r"(\d+) keys read")
_PIECE = 1 << 20
_NOT_THERE = (126, 127)
"""What a container answers that has no such command."""


@dataclass(frozen=True, slots=True)
class Dump:
    """Redis's data in a file."""

    settings: RedisSettings
    file: BackupFile
    key_count: int | None
    """What the file holds, by Redis's own reader; None: it could not be asked."""
    canary: str
    """The value of the backup's field in `CANARY`; empty: Redis refused it."""
    saved: bool
    """By its own save; else it was streamed as to a replica."""


def dump(environment: Environment, container: dict[str, Any], shelf: Shelf) -> Dump:
    """Redis's data as of now, in a file.

    It saves in the background and the file is copied out; where it cannot save, it streams its data as to a replica.

    Args:
        environment: Whose Redis.
        container: The inspect of its container.
        shelf: The backup it is for, whose canary is left in the data.

    Raises:
        TransientFailure: Redis or the engine does not answer, or another save never ends.
        StepFailed: the data file is damaged, or the disk is full.
    """
    client = environment.docker_stack.host.client()
    with connection(environment, timeout_seconds=30) as redis:
        settings = settings_of(redis, client, container)
        canary = _leave_canary(redis, shelf.backup)
        try:
            file, keys = _saved(redis, client, container, settings, shelf)
        except SaveRefused as error:
            say(f"Redis cannot save, so its data is streamed: {error.message}")
            with shelf.writing(DATA) as out:
                streamed(environment, client, container, out)
            return Dump(settings, out.file, None, canary, saved=False)
    return Dump(settings, file, keys, canary, saved=True)


def _leave_canary(redis: Redis, backup: str) -> str:
    """Write the backup's field; empty when Redis refuses to write, as it does when it cannot save."""
    value = hashlib.sha256(backup.encode()).hexdigest()[:16]
    try:
        with translated("leave the backup's canary"):
            redis.hset(CANARY, backup, value)
            fields = sorted(str(name) for name in redis.hkeys(CANARY))
            if old := fields[:-KEPT_CANARIES]:
                redis.hdel(CANARY, *old)
    except TransientFailure:
        raise
    except StepFailed as error:
        say(f"No canary is left in the data: {error.message}")
        return ""
    return value


def _saved(
    redis: Redis, client: DockerClient, container: dict[str, Any], settings: RedisSettings, shelf: Shelf
) -> tuple[BackupFile, int | None]:
    """Save, copy out and count one and the same file: a save by the clock may replace it in between."""
    for _ in range(_TRIES):
        saves = save(redis)
        file = _copied(client, container["Id"], settings.data_path, shelf)
        keys = _keys_in(client, container["Id"], settings.data_path)
        if persistence(redis)["rdb_saves"] == saves:
            return file, keys
    raise TransientFailure(
        "Redis wrote its data file anew while it was copied, time and again.", hint="It is tried again."
    )


def _copied(client: DockerClient, container: str, path: str, shelf: Shelf) -> BackupFile:
    """Copy a file out of a container, in pieces."""
    with archived(client, container, path) as tar, shelf.writing(DATA) as out:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            while content and (piece := content.read(_PIECE)):
                out.write(piece)
    if not out.plain_size:
        raise StepFailed(f"{path} in Redis's container is no file.", hint="Where does it keep its data?")
    return out.file


def _keys_in(client: DockerClient, container: str, path: str) -> int | None:
    """How many keys a data file holds, by Redis's own reader in its container; None where there is none.

    Raises:
        StepFailed: the file is damaged.
    """
    code, text = _checked(client, container, path, ["nice", "-n", "19"])
    if code in _NOT_THERE:
        code, text = _checked(client, container, path, [])
    found = _KEYS_READ.search(text)
    if code == 0 and found:
        return int(found[1])
    if code in _NOT_THERE:
        return None
    raise StepFailed(
        "The data file that Redis has just written is damaged.", hint=f"redis-check-rdb says: {text[-300:]}"
    )


def _checked(client: DockerClient, container: str, path: str, lead: list[str]) -> tuple[int, str]:
    """What Redis's own reader says of a file. It takes a whole core for a second: Redis goes before it.

    Raises:
        TransientFailure: it said nothing: a busy engine may lose what a command says.
    """
    for _ in range(_TRIES):
        with docker_translated("count the keys of the data file"):
            code, said = client.containers.get(container).exec_run([*lead, "redis-check-rdb", path])
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else ""
        if text.strip() or code in _NOT_THERE:
            return (127 if code is None or "executable file not found" in text else code), text
    raise TransientFailure(f"redis-check-rdb said nothing of {path}.", hint="Is the engine very busy?")


def streamed(environment: Environment, client: DockerClient, container: dict[str, Any], out: Sink) -> None:
    """Take the data as a replica does, with the Redis client in its container; nothing is written there."""
    settings = environment.docker_stack.redis
    secret = settings.password.read(environment.account).get_secret_value() if settings.password else ""
    user = ["--user", settings.username] if settings.username else []
    size, complaint = 0, b""
    with docker_translated("stream Redis's data"):
        run = client.api.exec_create(
            container["Id"],
            ["redis-cli", *user, "--rdb", "-"],
            environment={"REDISCLI_AUTH": secret} if secret else None,
        )
        stream = client.api.exec_start(run["Id"], stream=True, demux=True)
        with contextlib.closing(stream):
            for data, err in stream:
                complaint = (complaint + (err or b""))[-2000:]
                if data:
                    size += out.write(data)
        code = client.api.exec_inspect(run["Id"])["ExitCode"]
    if code or not size:
        said = " ".join(complaint.decode("utf-8", "replace").split())
        raise StepFailed("Redis neither saves nor streams its data.", hint=f"redis-cli said: {said[-300:]}")
