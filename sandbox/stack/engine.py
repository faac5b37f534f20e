"""A Docker engine for the practice stack: the one that runs already, or one of our own in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rules.errors import RecoveryRefused, StepFailed
from sandbox import processes

MACHINES_OWN = "unix:///var/run/docker.sock"
START_SECONDS = 30.0


@dataclass(slots=True)
class Engine:
    """An engine that answers."""

    address: str
    """For instance unix:///var/run/docker.sock."""
    folder: Path | None = None
    """Everything of an engine that we started; None: it is somebody else's and stays."""
    host: processes.Recorded | None = None
    """Its process, if we started it."""
    _started: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def stop(self) -> None:
        """End the engine and remove its folder, if we started it."""
        if self.host is not None:
            processes.stop([self.host], patience=20)
        if self._started is not None:
            self._started.wait()
        if self.folder is not None:
            _log(self.folder).unlink(missing_ok=True)


def find(*addresses: str) -> Engine | None:
    """The first engine that answers: DOCKER_HOST's, then the machine's own."""
    for address in addresses or (os.environ.get("DOCKER_HOST", ""), MACHINES_OWN):
        if address and answers(address):
            return Engine(address)
    return None


def find_or_start(*, outlive: bool = False) -> Engine:
    """An engine that runs already, or one that is started here and ends with this process, unless it is to outlive it.

    Raises:
        RecoveryRefused: none runs and none can be started; says why.
        StepFailed: it was started and did not come up.
    """
    return find() or start(outlive=outlive)


def start(folder: Path | None = None, *, live_restore: bool = False, outlive: bool = False) -> Engine:
    """Start an engine of our own beside whatever runs: its folder holds its data and socket.

    It has no default bridge and never touches the firewall; stacks bring networks of their own.

    Args:
        folder: A new folder with a short path (a socket's path has at most 107 characters); empty: a temporary one.
        live_restore: Containers go on while the engine restarts.
        outlive: It stays when this process ends, until `stop`.

    Raises:
        RecoveryRefused: it cannot be started on this machine; says why.
        StepFailed: it did not come up.
    """
    refuse_where_impossible()
    place = folder or Path(tempfile.mkdtemp(prefix="backstop-engine-"))
    place.mkdir(parents=True, exist_ok=True)
    recorded, started = processes.start(
        "engine",
        "sandbox.stack.engine_host",
        [str(place), *(["--live-restore"] if live_restore else [])],
        log=_log(place),
        outlive=outlive,
        environment=dict(os.environ),
    )
    engine = Engine(f"unix://{place}/engine.sock", place, recorded, started)
    deadline = time.monotonic() + START_SECONDS
    while not answers(engine.address):
        if not recorded.alive() or time.monotonic() > deadline:
            said = _last_words(_log(place))
            engine.stop()
            raise StepFailed("The Docker engine did not come up.", hint=f"It said: {said}")
        time.sleep(0.03)
    return engine


def refuse_where_impossible() -> None:
    """Refuse where no engine can be started.

    Raises:
        RecoveryRefused: says what is missing.
    """
    if os.getuid() != 0:
        raise RecoveryRefused(
            "No Docker engine runs, and only root can start one.",
            hint="Start the machine's engine, or set DOCKER_HOST.",
        )
    # iptables: the engine's own name server inside containers is wired with it.
    missing = [name for name in ("dockerd", "containerd", "runc", "iptables") if not shutil.which(name)]
    if missing:
        raise RecoveryRefused(
            f"No Docker engine runs, and one cannot be started: {', '.join(missing)} is missing.",
            hint="On Debian: apt-get install docker.io iptables",
        )


def answers(address: str) -> bool:
    """Say whether an engine answers there."""
    import docker
    import requests

    try:
        client = docker.APIClient(base_url=address, version="auto", timeout=5)
    except (docker.errors.DockerException, requests.RequestException, OSError):
        return False
    client.close()
    return True


def _log(folder: Path) -> Path:
    """Beside the folder: it tells of an engine that never came up and took its folder along."""
    return folder.with_name(f"{folder.name}.log")


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "nothing"
    telling = [line for line in lines if "level=fatal" in line or "failed" in line] or lines
    return " ".join(telling[-2:])[-600:]
