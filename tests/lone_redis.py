"""A Redis alone in a container, set in whatever way, as an environment of its own."""

from __future__ import annotations

import contextlib
import io
import socket
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from blocks.environment import Environment
from sandbox.stack.stack import wait_for

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from redis import Redis

    from sandbox.stack.engine import Engine

IMAGE = "backstop-sandbox/redis:7"
LABEL = "com.docker.compose"
_AGAIN: Any = {"Name": "unless-stopped"}


@dataclass(frozen=True, slots=True)
class Setting:
    """How it keeps its data."""

    append_only: bool = False
    saves: bool = False
    renamed: bool = False
    named: bool = False
    """With names of its own for its files."""

    @property
    def name(self) -> str:
        """The setting in one word."""
        parts = {"aof": self.append_only, "save": self.saves, "renamed": self.renamed, "named": self.named}
        return "-".join(part for part, on in parts.items() if on) or "plain"

    def command(self) -> list[str]:
        """How it is started."""
        words = ["redis-server", "--dir", "/data", "--protected-mode", "no"]
        words += ["--repl-diskless-sync-delay", "0"]  # else each streamed copy waits five seconds for others
        words += ["--save", "3600 1 300 10" if self.saves else ""]
        words += ["--appendonly", "yes" if self.append_only else "no"]
        if self.named:
            words += ["--dbfilename", "own.rdb", "--appendfilename", "own.aof", "--appenddirname", "own-aof"]
        for gone in ("CONFIG", "DEBUG", "FLUSHALL", "SHUTDOWN") if self.renamed else ():
            words += ["--rename-command", gone, ""]
        return words


@dataclass(frozen=True, slots=True)
class LoneRedis:
    """One container."""

    container: Container
    environment: Environment

    def redis(self) -> Redis:
        """A connection."""
        return self.environment.docker_stack.redis.client()

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of its data folder: its owner and its mode."""
        stream, _ = self.container.get_archive("/data")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            return {
                member.name.removeprefix("data/"): (member.uid, member.mode)
                for member in tar
                if not member.isdir()
            }


@contextlib.contextmanager
def lone_redis(
    client: DockerClient,
    engine: str,
    network: str,
    home: Path,
    setting: Setting,
    *,
    place: Path | None = None,
) -> Iterator[LoneRedis]:
    """Give a Redis in a container of its own, started and empty; removed with its data afterwards.

    `place`: a folder of this host that it keeps its data in, instead of a volume.
    """
    project, port = f"lone-{setting.name}-{free_port()}", free_port()
    home.mkdir(parents=True)
    (home / "config.env").write_text("REDIS=1\n", encoding="utf-8")
    labels = {f"{LABEL}.project": project, f"{LABEL}.service": "redis"}
    client.volumes.create(project, labels=labels)
    container = client.containers.create(
        IMAGE, setting.command(), name=project, labels=labels, network=network, volumes=[f"{place or project}:/data"],
        ports={"6379/tcp": ("127.0.0.1", port)}, restart_policy=_AGAIN,
    )  # fmt: skip
    try:
        container.start()
        started = LoneRedis(container, _environment(engine, project, port, home))
        wait_for(lambda: bool(started.redis().ping()), "it answers", 10)
        yield started
    finally:
        container.remove(force=True)
        client.volumes.get(project).remove(force=True)


@pytest.fixture(scope="session")
def lone_network(engine: Engine) -> Iterator[str]:
    """Give the session a network for such containers."""
    import docker

    client = docker.DockerClient(engine.address, version="auto")
    name = f"backstop-lone-{free_port()}"
    made = client.networks.create(name)
    yield name
    made.remove()


@pytest.fixture
def lone(
    engine: Engine, lone_network: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[LoneRedis]:
    """Give a test one Redis: of the setting it names, or an append-only one that saves, under names of its own."""
    import docker

    setting = getattr(request, "param", Setting(append_only=True, saves=True, named=True))
    client = docker.DockerClient(engine.address, version="auto")
    with lone_redis(client, engine.address, lone_network, tmp_path / "lone", setting) as started:
        yield started


def _environment(engine: str, project: str, port: int, home: Path) -> Environment:
    return Environment.model_validate(
        {
            "name": "lone",
            "tier": "development",
            "platform": {
                "kind": "docker_stack",
                "host": {"address": engine},
                "project": project,
                "services": ["redis"],
                "config_file": str(home / "config.env"),
                "redis": {"port": port, "key_prefixes": ["aws_masker:"]},
                "backups": {"directory": str(home / "backups"), "plain": True},
            },
        }
    )


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
