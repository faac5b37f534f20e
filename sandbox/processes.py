"""The sandbox's processes: started in sessions of their own, written down, and exactly these are stopped."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_PARENT = "BACKSTOP_SANDBOX_PARENT"
"""Process id that a child follows into its end; unset: it stays until stopped."""

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Recorded:
    """A process we started: its id alone could belong to another one by now."""

    name: str
    pid: int
    started: float
    """Seconds since boot, from the kernel."""

    def alive(self) -> bool:
        """Say whether exactly this process still runs."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> float | None:
    """When a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in {"Z", "X"} else float(fields[19])


def live_and_die_with_parent() -> None:
    """Called by a child first: end when told to, and when the process that started it ends."""
    parent = obey()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def obey() -> int | None:
    """Let SIGTERM end this process and Ctrl-C not. Returns a file that becomes readable when the parent has ended.

    None: this process outlives its parent. (The kernel's PR_SET_PDEATHSIG would not do: it fires when the *thread*
    that started us ends.)
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.environ.pop(_PARENT, "")
    if not parent:
        return None
    try:
        file = os.pidfd_open(int(parent))
    except ProcessLookupError:
        os._exit(0)
    if os.getppid() != int(parent):
        os._exit(0)
    return file


def _follow(parent: int) -> None:
    select.select([parent], [], [])
    os.kill(os.getpid(), signal.SIGTERM)


def start(
    name: str, module: str, arguments: list[str], *, log: Path, outlive: bool, environment: Mapping[str, str]
) -> tuple[Recorded, subprocess.Popen[bytes]]:
    """Start one of our modules. `outlive`: it stays when this process ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = {**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    if not outlive:
        variables[_PARENT] = str(os.getpid())
    with log.open("ab") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=variables,
            start_new_session=True,
        )
    started = start_time(process.pid)
    return Recorded(name, process.pid, started if started is not None else -1.0), process


def read(path: Path) -> list[Recorded]:
    """The processes written down in a file; none when there is no file."""
    try:
        return [Recorded(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def write(path: Path, recorded: list[Recorded]) -> None:
    """Write processes down, all or nothing."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(entry) for entry in recorded], indent=1), encoding="utf-8")
    fresh.replace(path)


def stop(recorded: list[Recorded], *, patience: float = 5.0) -> None:
    """End these processes: SIGTERM, after `patience` seconds SIGKILL; then what they forked, and nothing else.

    Each leads its own group. A forked provider whose Terraform was killed waits for it forever, as a real one does.
    """
    led = [entry for entry in recorded if entry.alive()]
    for entry in recorded:
        _signal(entry, signal.SIGCONT)
        _signal(entry, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while left := [entry for entry in recorded if entry.alive()]:
        if time.monotonic() > deadline:
            for entry in left:
                _signal(entry, signal.SIGKILL)
            deadline += patience
        _reap(recorded)
        time.sleep(0.02)
    _reap(recorded)
    for entry in led:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(entry.pid, signal.SIGKILL)


def _signal(entry: Recorded, number: signal.Signals) -> None:
    if entry.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(entry.pid, number)


def _reap(recorded: list[Recorded]) -> None:
    """Collect those that were our children."""
    for entry in recorded:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(entry.pid, os.WNOHANG)
