"""Runs one dockerd in a folder of its own, ends with whoever started it, and leaves nothing behind."""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sandbox import processes

MNT_DETACH = 2
STOP_SECONDS = 15.0
_NETWORK = re.compile(rb"docker/network/v1\.0/network/([0-9a-f]{12})")
POOL = {"base": "10.96.0.0/12", "size": 26}
"""Where its networks lie. The engine's own pools have room for some thirty, and an engine that is killed leaves its
networks' bridges behind: then no engine of this machine could make another one."""


def main(folder: Path, *options: str) -> int:
    """Run dockerd until told to end, until it ends by itself, or until our parent has ended."""
    parent = processes.obey()
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    # Its own settings, which must exist: those of the machine's engine would contradict the command line.
    (folder / "engine.json").write_text(json.dumps({"default-address-pools": [POOL]}), encoding="utf-8")
    engine = subprocess.Popen(command(folder, *options), stdin=subprocess.DEVNULL, start_new_session=True)
    ending = False
    while engine.poll() is None and not ending:
        waited = [told] if parent is None else [told, parent]
        ready, _, _ = select.select(waited, [], [])
        ending = parent in ready or signal.SIGTERM in (os.read(told, 64) if told in ready else b"")
    _end(engine)
    remove(folder)
    return engine.returncode or 0


def command(folder: Path, *options: str) -> list[str]:
    """The command line of an engine that keeps everything in a folder and leaves the machine's network alone."""
    return [
        "dockerd",
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/engine.pid",
        f"--host=unix://{folder}/engine.sock",
        f"--config-file={folder}/engine.json",
        "--bridge=none",
        "--iptables=false",
        "--ip-masq=false",
        "--shutdown-timeout=3",
        *options,
    ]


def _end(engine: subprocess.Popen[bytes]) -> None:
    if engine.poll() is None:
        engine.terminate()
        try:
            engine.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(engine.pid, signal.SIGKILL)
            engine.wait()


def remove(folder: Path) -> None:
    """Remove an ended engine's folder: what it left mounted there first, and its networks' bridges.

    A bridge that stays holds its addresses: after thirty, no engine on the machine could make a network.
    """
    for bridge in _bridges(folder):
        subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
    unmount = ctypes.CDLL(None, use_errno=True).umount2
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    below = [point for line in mounts if (point := line.split()[4]).startswith(f"{folder}/")]
    for point in sorted(below, key=len, reverse=True):
        unmount(point.encode(), MNT_DETACH)
    for _ in range(20):  # a container's last process may still be writing
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _bridges(folder: Path) -> list[str]:
    """Those of the networks that an engine with this folder has known and that are still there."""
    known = folder / "data/network/files/local-kv.db"
    found = _NETWORK.findall(known.read_bytes()) if known.is_file() else []
    names = {f"br-{network.decode()}" for network in found}
    return sorted(names & {name for _, name in socket.if_nameindex()})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
