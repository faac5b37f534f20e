"""A process that holds a port of the practice stack, as somebody's forgotten development server does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sandbox import processes

_ours: list[subprocess.Popen[bytes]] = []
"""Those this process started, kept so that they are waited for."""


def hold(home: Path, port: int) -> None:
    """Hold a port of 127.0.0.1 until `end`; it must be free. Holding it again changes nothing."""
    name = f"port-holder-{port}"
    held = [entry for entry in processes.read(_record(home)) if entry.alive()]
    if any(entry.name == name for entry in held):
        return
    recorded, started = processes.start(
        name,
        "sandbox.stack.port_holder",
        [str(port)],
        log=_record(home).with_suffix(".log"),
        outlive=True,
        environment=dict(os.environ),
    )
    _ours.append(started)
    processes.write(_record(home), [*held, recorded])
    while recorded.alive():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def end(home: Path) -> None:
    """Let every held port go."""
    processes.stop(processes.read(_record(home)))
    for started in [each for each in _ours if each.poll() is not None]:
        _ours.remove(started)
    _record(home).unlink(missing_ok=True)


def main(port: int) -> None:
    """Listen, and answer nobody."""
    processes.live_and_die_with_parent()
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        held.listen()
        signal.pause()


def _record(home: Path) -> Path:
    return home.with_name(f"{home.name}-holders.json")


if __name__ == "__main__":
    main(int(sys.argv[1]))
