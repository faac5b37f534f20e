"""The sandbox's processes: brought up, looked at, ended."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass

from rules.errors import StepFailed
from sandbox import environment_files, kit_runs, processes
from sandbox.places import Home

MODULES = {
    "aws": "sandbox.aws",
    "function-host": "sandbox.function_host",
    "alarms": "sandbox.alarms",
    "certificate-host": "sandbox.certificate_host",
    "provider-host": "sandbox.provider_host",
    "github": "sandbox.github_api.serve",
}
"""The processes that every sandbox has."""


@dataclass(frozen=True, slots=True)
class Status:
    """What runs, and where."""

    processes: dict[str, bool]
    """Whether each process lives."""
    home: str
    aws_url: str
    stack: str
    """The Docker stack in a few words: where it runs, or that it was not asked for, or why it is left out."""

    @property
    def running(self) -> bool:
        """Whether every process lives."""
        return bool(self.processes) and all(self.processes.values())


def bring_up(home: Home, *, outlive: bool) -> list[subprocess.Popen[bytes]]:
    """Start those that do not live yet. `outlive`: they stay when this process ends."""
    known = {entry.name: entry for entry in processes.read(home.processes) if entry.alive()}
    if "aws" not in known:
        # A new AWS is an empty one: what belongs to the old one would only confuse.
        processes.stop(list(known.values()))
        known = {}
        shutil.rmtree(home.path / "run" / "code", ignore_errors=True)
        home.opened.unlink(missing_ok=True)
    started, environment = [], environment_files.own_variables(home)
    for name, module in MODULES.items():
        if name not in known:
            known[name], process = processes.start(
                name,
                module,
                [str(home.path)],
                log=home.logs / f"{name}.log",
                outlive=outlive,
                environment=environment,
            )
            started.append(process)
            processes.write(home.processes, list(known.values()))
    return started


def wait_until_up(home: Home) -> None:
    """Wait until each listens.

    Raises:
        StepFailed: one ended or never did; they are all ended then.
    """
    at = home.addresses()
    deadline = time.monotonic() + 30
    for port in (at.aws, at.invocations, at.certificates, at.github):
        while not _listens(port):
            dead = [name for name, lives in living(home).items() if not lives]
            if dead or time.monotonic() > deadline:
                end(home)
                raise StepFailed(
                    f"The sandbox did not come up: {', '.join(dead) or f'nothing listens on port {port}'}.",
                    hint=f"Its logs are in {home.logs}.",
                )
            time.sleep(0.02)


def end(home: Home) -> None:
    """End them, test runs among them, and only these."""
    kit_runs.end_runs(home)
    processes.stop(processes.read(home.processes))
    home.processes.unlink(missing_ok=True)


def living(home: Home) -> dict[str, bool]:
    """Whether each process lives, by name."""
    lives = {entry.name: entry.alive() for entry in processes.read(home.processes)}
    return {name: lives.get(name, False) for name in MODULES}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
