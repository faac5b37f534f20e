"""A throw-away Redis that reads a backup: of the same image, on the same engine, with no network and no ports.

It never outlives its test: it says whose it is, and what dead ones left is removed before the next begins.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from blocks.docker_errors import Absent, translated
from ledger.holders import Holder, is_dead, this_process
from rules.backup_proofs import SAMPLE, SAMPLED_BYTES, rank, value_mark
from rules.backups import BackupManifest
from rules.errors import StepFailed
from rules.redis_health import KeyCounts, count_by_prefix, load_fault
from rules.redis_restores import Loaded, Mark
from rules.redis_settings import RedisSettings
from tasks._redis_folder import RedisFolder
from tasks.kinds import pause
from tasks.redis_data import OWN_PREFIX

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "backstop.restore-test"
_PLACE = "/restore-test"
_SECONDS, _BYTES_A_SECOND, _POLL_SECONDS = 60.0, 2 << 20, 0.1
_LAST_TO_RUN = {"cpu_shares": 128, "oom_score_adj": 1000, "cap_drop": ["ALL"], "network_mode": "none"}
"""The stack beside it goes first."""
_VALUES = (
    "local t = {} for i, k in ipairs(KEYS) do local n = redis.call('TYPE', k).ok "
    f"t[i] = n .. ' ' .. (n == 'string' and redis.call('GETRANGE', k, 0, {SAMPLED_BYTES - 1}) or '') end return t"
)


class NotLoaded(StepFailed):
    """Raised when Redis does not start with the data: it is damaged."""


@dataclass(frozen=True, slots=True)
class TrialRedis:
    """A Redis that has read a backup."""

    client: DockerClient
    container: str

    def loaded(self, manifest: BackupManifest) -> tuple[Loaded, int]:
        """What it read, and how many of that had expired."""
        told = dict(line.split(":", 1) for line in self._ask("INFO", "persistence") if ":" in line)
        keys, expired = told.get("rdb_last_load_keys_loaded"), int(told.get("rdb_last_load_keys_expired", 0))
        wanted = manifest.data.canary_key
        canary = "".join(self._ask("HGET", wanted, manifest.id)) if wanted else ""
        held = int("".join(self._ask("DBSIZE")))
        return Loaded(read=None if keys is None else int(keys) + expired, held=held, canary=canary), expired

    def counts(self, prefixes: list[str], sampled: set[str]) -> KeyCounts:
        """Its keys by prefix, and what tells the values of the sampled ones."""
        total, counts, found = 0, dict.fromkeys(prefixes, 0), dict[str, str]()
        for keys in self._keys():
            theirs = [key for key in keys if not key.startswith(OWN_PREFIX)]
            total += len(theirs)
            for prefix, number in count_by_prefix(theirs, prefixes).items():
                counts[prefix] += number
            found |= {mark: key for key in theirs if (mark := str(rank(key))) in sampled}
        marks = sorted(found)[:SAMPLE]
        values = (
            self._ask("EVAL", _VALUES, str(len(marks)), *(found[mark] for mark in marks)) if marks else []
        )
        parts = [value.partition(" ") for value in values]
        sample = {mark: value_mark(kind, text) for mark, (kind, _, text) in zip(marks, parts, strict=False)}
        return KeyCounts(total=total, by_prefix=counts, sample=sample)

    def _keys(self) -> Iterator[list[str]]:
        with translated("list the keys of the backup"):
            run = self.client.api.exec_create(self.container, ["redis-cli", "--scan"], stderr=False)
            rest = b""
            for piece in cast("Iterator[bytes]", self.client.api.exec_start(run["Id"], stream=True)):
                *lines, rest = (rest + piece).split(b"\n")
                yield [line.decode("utf-8", "backslashreplace") for line in lines]

    def _ask(self, *command: str) -> list[str]:
        with translated(f"ask the throw-away Redis: {command[0]}"):
            run = self.client.api.exec_create(self.container, ["redis-cli", *command])
            said = self.client.api.exec_start(run["Id"])
        return said.decode("utf-8", "backslashreplace").strip("\n").splitlines()


@contextlib.contextmanager
def trial_redis(
    client: DockerClient, image: str, manifest: BackupManifest, data: Path, memory: int = 0
) -> Iterator[TrialRedis]:
    """A throw-away Redis that has read a backup's data, as a real restore would put it.

    Args:
        client: The engine's.
        image: The id of the image the stack's Redis ran.
        manifest: The backup's: how its Redis keeps its data.
        data: The data file, checked.
        memory: Bytes it may use, as the stack's; 0: no limit.

    Raises:
        NotLoaded: it does not start with that data.
        StepFailed: the image is gone, or the engine cannot make a container of it.
    """
    sweep(client)
    settings = manifest.redis.model_copy(update={"directory": _PLACE})
    container = _made(client, image, settings, memory)
    try:
        place = RedisFolder(client, container, settings)
        place.bring(data)
        place.put(Mark(incident="restore-test", backup=manifest.id))
        trial = TrialRedis(client, container)
        _start(trial, data.stat().st_size)
        yield trial
    finally:
        _remove(client, container)


def sweep(client: DockerClient) -> None:
    """Remove what tests left that died."""
    with translated("look for what earlier tests left"):
        left = client.containers.list(all=True, ignore_removed=True, filters={"label": LABEL})
    for each in left:
        try:
            holder = Holder.model_validate_json(each.labels[LABEL])
        except ValidationError:
            continue
        if is_dead(holder):
            _remove(client, str(each.id))


def _made(client: DockerClient, image: str, settings: RedisSettings, memory: int) -> str:
    command = ["--dir", _PLACE, "--dbfilename", settings.data_file, "--save", "", "--bind", "127.0.0.1"]
    command += [
        "--appendonly",
        "yes" if settings.append_only else "no",
        "--appendfilename",
        settings.append_file,
    ]
    command += ["--appenddirname", settings.append_directory] if settings.append_only else []
    command += ["--maxmemory", settings.max_memory, "--maxmemory-policy", settings.eviction_policy]
    limits: dict[str, Any] = {**_LAST_TO_RUN, "mem_limit": memory} if memory else dict(_LAST_TO_RUN)
    with translated("make a throw-away Redis"):
        made = client.api.create_container(
            image,
            command,
            entrypoint=["redis-server"],
            user="0:0",
            working_dir=_PLACE,
            labels={LABEL: this_process().model_dump_json()},
            host_config=client.api.create_host_config(**limits),
        )
    return str(made["Id"])


def _start(trial: TrialRedis, size: int) -> None:
    tries = int((_SECONDS + size / _BYTES_A_SECOND) / _POLL_SECONDS)
    with translated("start the throw-away Redis"):
        trial.client.api.start(trial.container)
    for _ in range(tries):
        with translated("see whether the throw-away Redis runs"):
            state = trial.client.api.inspect_container(trial.container)["State"]
            if not state["Running"]:
                said = trial.client.api.logs(trial.container, tail=50).decode("utf-8", "replace").splitlines()
                raise NotLoaded(f"Redis does not start with it: {load_fault(said) or 'it gave up'}.")
        if trial._ask("PING") == ["PONG"]:  # noqa: SLF001 - this module's own
            return
        pause(_POLL_SECONDS)
    raise StepFailed("The throw-away Redis did not read the backup in time.", hint="Is its disk slow?")


def _remove(client: DockerClient, container: str) -> None:
    with contextlib.suppress(Absent), translated("remove the throw-away Redis"):
        client.api.remove_container(container, force=True, v=True)
