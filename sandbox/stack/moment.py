"""The practice stack as it was made: compared with that moment, and only what differs is made anew.

A stack made wholly anew costs seconds, and a sweep sets it back hundreds of times.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import errors
from redis import RedisError

from rules.errors import StepFailed
from sandbox.stack import composing, images, port_holder
from sandbox.stack.compose_file import LABEL, ComposeFile
from sandbox.stack.stack import DockerStack, wait_for

HEALTHY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Moment:
    """How a stack was when it was kept. What is kept lies beside its folder."""

    stack: DockerStack

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.stack.home.with_name(f"{self.stack.home.name}-kept")

    @property
    def kept(self) -> bool:
        """Whether there is such a moment."""
        return (self.folder / "standing.json").exists()

    def keep(self) -> None:
        """Remember the stack's files, data and containers, once every service is healthy.

        Raises:
            StepFailed: one never was.
        """
        self._wait_until_healthy()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.stack.home, self.folder / "files")
        data = {_text(key): _text(value) for key, value in _data(self.stack).items()}
        (self.folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
        self._note()

    def set_back(self) -> None:
        """Make the stack and the foreign one as they were kept, whatever was done to them.

        Raises:
            StepFailed: nothing was kept, or it did not come up again.
        """
        if not self.kept:
            raise StepFailed("The practice stack was never kept.", hint="Bring the sandbox up anew.")
        port_holder.end(self.stack.home)
        images.load(self.stack.client)
        self._put_files_back()
        if self._remove_differing():
            self.stack.up(foreign=True)
        self._put_data_back()
        self._wait_until_healthy()
        self._note()

    def _put_files_back(self) -> None:
        """In place, for what has one mounted sees the file it was started with."""
        kept = self.folder / "files"
        for path in sorted(self.stack.home.rglob("*"), reverse=True):
            there = kept / path.relative_to(self.stack.home)
            if path.is_dir() and not path.is_symlink():
                if not there.is_dir():
                    shutil.rmtree(path)
            elif not there.is_file():
                path.unlink()
        for there in sorted(kept.rglob("*")):
            path = self.stack.home / there.relative_to(kept)
            if there.is_dir():
                path.mkdir(exist_ok=True)
            elif not path.exists() or path.read_bytes() != there.read_bytes():
                path.write_bytes(there.read_bytes())
            path.chmod(there.stat().st_mode & 0o7777)

    def _remove_differing(self) -> bool:
        """Remove what is not as kept, and say whether anything is missing now."""
        client = self.stack.client
        kept = json.loads((self.folder / "standing.json").read_text(encoding="utf-8"))
        now = _standing(self.stack)
        differing = {
            name for name in now["containers"] if now["containers"][name] != kept["containers"].get(name)
        }
        with ThreadPoolExecutor(max_workers=4) as several:
            list(several.map(lambda name: _remove(client.api.remove_container, name), differing))
        for network in now["networks"].keys() - kept["networks"].keys():
            client.networks.get(network).remove()
        redis = self.stack.file.services["redis"]["container_name"]
        unused = now["volumes"].keys() - kept["volumes"].keys()
        if redis in differing or redis not in now["containers"]:
            unused |= now["volumes"].keys() & {_volume_of(self.stack.file)}
        for volume in unused:
            client.volumes.get(volume).remove(force=True)
        return bool(differing) or any(kept[kind].keys() - now[kind].keys() for kind in kept)

    def _put_data_back(self) -> None:
        kept = json.loads((self.folder / "data.json").read_text(encoding="utf-8"))
        wanted = {base64.b64decode(key): base64.b64decode(value) for key, value in kept.items()}
        try:
            there = _data(self.stack)
            if there == wanted and _saves(self.stack):
                return
            _fill(self.stack, wanted)
            if _saves(self.stack):
                return
        except RedisError:
            pass
        # It does not take them: it is made anew, its volume too.
        service = self.stack.file.services["redis"]["container_name"]
        _remove(self.stack.client.api.remove_container, service)
        self.stack.client.volumes.get(_volume_of(self.stack.file)).remove(force=True)
        self.stack.up(foreign=True)
        _fill(self.stack, wanted)

    def _note(self) -> None:
        text = json.dumps(_standing(self.stack), indent=1)
        (self.folder / "standing.json").write_text(text, encoding="utf-8")

    def _wait_until_healthy(self) -> None:
        def healthy() -> bool:
            found = composing.containers(self.stack.client, self.stack.addresses.project)
            return all(each.attrs["State"].get("Health", {}).get("Status") == "healthy" for each in found)

        wait_for(healthy, "every service of the practice stack is healthy", HEALTHY_SECONDS)


def _standing(stack: DockerStack) -> dict[str, dict[str, str]]:
    """What there is of both stacks: whatever changes when somebody changes a container is in its fingerprint."""
    found: dict[str, dict[str, str]] = {"containers": {}, "networks": {}, "volumes": {}}
    for file in (stack.file, stack.foreign):
        mine = {"label": f"{LABEL}.project={file.project}"}
        for each in composing.containers(stack.client, file.project):
            found["containers"][str(each.name)] = _fingerprint(each.attrs)
        for network in stack.client.networks.list(filters=mine):
            found["networks"][str(network.id)] = str(network.name)
        for volume in stack.client.volumes.list(filters=mine):
            found["volumes"][str(volume.id)] = str(volume.attrs["CreatedAt"])
    return found


def _fingerprint(attributes: dict[str, Any]) -> str:
    state, networks = attributes["State"], attributes["NetworkSettings"]["Networks"]
    told = [
        attributes["Id"],
        [state[name] for name in ("Status", "StartedAt", "Paused")],
        attributes["HostConfig"],
        sorted((name, each["NetworkID"], each["EndpointID"]) for name, each in networks.items()),
        list(_mounted(attributes)),
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _mounted(attributes: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Which file of the host each mount is: one that was replaced is another one."""
    for mount in attributes["Mounts"]:
        source = Path(mount["Source"])
        if mount["Type"] == "bind" and source.is_file():
            yield str(source), source.stat().st_ino


def _volume_of(file: ComposeFile) -> str:
    return str(file.content["volumes"]["redis-data"]["name"])


def _remove(remove: Any, name: str) -> None:
    with contextlib.suppress(errors.NotFound):
        remove(name, force=True, v=True)


def _data(stack: DockerStack) -> dict[bytes, bytes]:
    """Every key and its value, as Redis itself would move them."""
    with stack.redis(5, text=False) as redis:
        keys = list(redis.scan_iter(count=10_000))
        with redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.dump(key)
            return {key: value for key, value in zip(keys, pipe.execute(), strict=True) if value is not None}


def _fill(stack: DockerStack, data: dict[bytes, bytes]) -> None:
    with stack.redis(5, text=False) as redis, redis.pipeline(transaction=False) as pipe:
        pipe.flushdb()
        for key, value in data.items():
            pipe.restore(key, 0, value)
        pipe.execute()


def _saves(stack: DockerStack) -> bool:
    with stack.redis(5) as redis:
        told = redis.info("persistence")
        return all(told[name] == "ok" for name in ("rdb_last_bgsave_status", "aof_last_write_status"))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
