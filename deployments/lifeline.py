"""Child processes that cannot outlive whoever started them.

`python -m deployments.lifeline PARENT MODULE [ARGUMENT …]` runs a module so that the kernel sends it SIGTERM
when PARENT dies, even by SIGKILL. Linux only; elsewhere the module simply runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PR_SET_PDEATHSIG = 1

CANCEL = signal.SIGUSR1
"""Tells a run's process that its run is cancelled, so that it ends as Cancelled and not as Crashed."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGTERM when `parent` dies; exit at once if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(1)


def start(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    log: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments…`, which ends when this process does.

    Its output is appended to `log`: never a pipe, because a reader that dies would kill the writer.
    """
    if threading.current_thread() is threading.main_thread():
        return _start(module, arguments, environment, log)
    # For the kernel the parent is the thread that starts the child: let that be one that stays.
    return _starter().submit(_start, module, arguments, environment, log).result()


def _start(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deployments.lifeline", str(os.getpid()), module, *arguments]
    with contextlib.ExitStack() as stack:
        output = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(log.open("ab"))
        return subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,  # Ctrl-C in the terminal is for us alone: we decide who stops, and when
        )


@functools.cache
def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="lifeline")


def stop(process: subprocess.Popen[bytes], grace_seconds: float = 10.0) -> int:
    """End a process: SIGTERM, and SIGKILL after `grace_seconds`. Returns its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def main(arguments: Sequence[str]) -> None:
    """Run the module that `arguments` names, tied to the life of its parent."""
    parent, module, *rest = arguments
    die_with_parent(int(parent))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
