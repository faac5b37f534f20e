"""The same rollback in bare SDK calls: no lease, no journal, no look at what is there, nothing kept, nothing proven."""

from __future__ import annotations

import io
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rules.stack_states import ContainerState
    from sandbox.stack.stack import DockerStack
    from tasks.backup_contents import BackupContents

SERVICES = ("redis", "app", "kong")


class BareRollback:
    """Everything is at hand before the clock starts, but for the data file, which is read in its time."""

    def __init__(self, stack: DockerStack, contents: BackupContents, data: Path) -> None:
        self.stack, self.contents, self.data = stack, contents, data

    def run(self) -> float:
        """Take the stack back; the seconds it took until everything was started."""
        began = time.perf_counter()
        self.stack.config_env.write_bytes(self.contents.configuration)
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            list(pool.map(self._again, SERVICES))
            client = self.stack.client
            project = self.stack.addresses.project
            list(pool.map(lambda name: client.api.start(f"{project}-{name}"), ("redis", "app")))
            self._wait_for_redis()
            client.api.start(f"{project}-kong")
        return time.perf_counter() - began

    def _again(self, service: str) -> None:
        [wanted] = self.contents.state.of(service)
        api: Any = self.stack.client.api
        if service == "redis":
            api.kill(wanted.name)
        else:
            api.stop(wanted.name, timeout=3)
        api.remove_container(wanted.name, force=True)
        made = api.create_container_from_config(_body(wanted), wanted.name)["Id"]
        if service == "redis":
            with self._archive() as archive:
                api.put_archive(made, self.contents.manifest.redis.directory, archive)

    def _archive(self) -> Any:
        """The data file, and an append-only folder that begins with it, as one tar on the disk."""
        from rules.redis_restores import append_manifest, append_names

        settings = self.contents.manifest.redis
        base, empty = append_names(settings, 1)
        buffer = (self.data.with_suffix(".tar")).open("w+b")
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.add(self.data, settings.data_file, filter=_for_everybody)
            tar.add(self.data, f"{settings.append_directory}/{base}", filter=_for_everybody)
            manifest = append_manifest(settings, 1).encode()
            for name, content in ((empty, b""), (f"{settings.append_file}.manifest", manifest)):
                info = tarfile.TarInfo(f"{settings.append_directory}/{name}")
                info.size = len(content)
                tar.addfile(_for_everybody(info), io.BytesIO(content))
        buffer.seek(0)
        return buffer

    def _wait_for_redis(self) -> None:
        import redis

        while True:
            try:
                self.stack.redis(2).ping()
                return
            except redis.RedisError:
                time.sleep(0.01)


def _body(wanted: ContainerState) -> dict[str, Any]:
    network, settings = next(iter(wanted.networks.items()))
    return {
        **wanted.config,
        "Image": wanted.image,
        "HostConfig": wanted.host,
        "NetworkingConfig": {"EndpointsConfig": {network: settings}},
    }


def _for_everybody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Redis is no root in its container."""
    info.mode = 0o666
    return info
