"""Who holds a lease, and whether that process can be proven dead."""

from __future__ import annotations

import os
import socket
import sys
from functools import cache
from pathlib import Path

import psutil

from rules.values import Frozen

STARTED_TOLERANCE = 0.001 if sys.platform == "linux" else 1.0
"""Seconds by which two readings of the same start may differ."""


class Holder(Frozen):
    """One process. `started` tells it from a later one with the same pid: see `_started`."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: float
    user: str = ""
    flow_run_id: str = ""

    def __str__(self) -> str:
        run = f", flow run {self.flow_run_id}" if self.flow_run_id else ""
        return f"{self.user}@{self.host} pid {self.pid}{run}"


def this_process(flow_run_id: str = "") -> Holder:
    """The calling process, as a holder."""
    return process_here(os.getpid(), flow_run_id)


def process_here(pid: int, flow_run_id: str = "") -> Holder:
    """A process of this host, as a holder. Raises psutil.NoSuchProcess when there is none."""
    host, boot, namespace = _place()
    return Holder(
        host=host,
        boot=boot,
        namespace=namespace,
        pid=pid,
        started=_started(psutil.Process(pid)),
        user=_user(),
        flow_run_id=flow_run_id,
    )


def is_dead(holder: Holder) -> bool | None:
    """True: proven dead. False: alive. None: it is out of sight (another host), only its lease can tell."""
    host, boot, namespace = _place()
    if holder.host != host:
        return None
    if holder.boot != boot:
        return True  # the machine was restarted since
    if holder.namespace != namespace:
        return None
    try:
        process = psutil.Process(holder.pid)
        if abs(_started(process) - holder.started) > STARTED_TOLERANCE:
            return True
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _started(process: psutil.Process) -> float:
    """When a process was started: on Linux in seconds since boot, elsewhere in Unix seconds.

    Unix seconds would change when the clock is set, and prove a living holder dead.
    """
    if sys.platform != "linux":
        return process.create_time()
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


@cache
def _place() -> tuple[str, str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text().strip() if boot.exists() else str(int(psutil.boot_time()))
    namespace = str(Path("/proc/self/ns/pid").readlink()) if sys.platform == "linux" else ""
    return socket.gethostname(), started, namespace


@cache
def _user() -> str:
    return psutil.Process().username()
