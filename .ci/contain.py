"""Run a command so that nothing it started outlives it, however either of them ends.

    python .ci/contain.py [--strict] command [argument ...]

Three processes stand in a row: `make` starts the front, the front starts the keeper, the keeper starts the
command. Keeper and front are both subreapers (Linux hands them the orphans of their descendants), so the tree
below is complete even when something in it daemonised itself.

* The command ends: the keeper ends what is left below it. With `--strict` leftovers are an error (exit 70).
* Ctrl-C, SIGTERM, SIGHUP, or `make` dies: the command is told, has 20 seconds, then everything is killed.
* The front is killed with SIGKILL: the keeper notices and ends everything. The keeper is: the front does.

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
WATCHED = FORWARDED | {signal.SIGCHLD}
PATIENCE_SECONDS = 20.0
GRACE_SECONDS = 5.0
LEFTOVERS = 70


def main(arguments: list[str]) -> int:
    """Run the command in `arguments`; return its exit code, or 128 + N when signal N ended it."""
    strict = arguments[:1] == ["--strict"]
    command = arguments[1:] if strict else arguments
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    adopt_orphans()
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    keeper = os.fork()
    if keeper == 0:
        os._exit(keep(command, front=os.getppid(), strict=strict))
    return watch(keeper)


def watch(keeper: int) -> int:
    """The front: pass signals on, wait for the keeper, clean up in its place if it was killed."""
    while True:
        received = signal.sigtimedwait(WATCHED, 1.0)
        if received and received.si_signo in FORWARDED and not came_from_terminal(received):
            os.kill(keeper, received.si_signo)
        code = reap(keeper)
        if code is not None:
            end_descendants()
            return code


def keep(command: list[str], *, front: int, strict: bool) -> int:
    """The keeper: run the command, then make sure that nothing of it is left."""
    group = os.getpgrp()
    os.setpgid(0, 0)  # out of the terminal's reach: Ctrl-C is for the command
    adopt_orphans()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        become(command, group)
    code, deadline = None, None
    while code is None:
        received = signal.sigtimedwait(WATCHED, 0.2)
        orphaned = os.getppid() != front
        if received and received.si_signo in FORWARDED:
            os.kill(child, received.si_signo)
        elif orphaned and deadline is None:
            os.kill(child, signal.SIGTERM)
        if deadline is None and (orphaned or (received and received.si_signo in FORWARDED)):
            deadline = time.monotonic() + (GRACE_SECONDS if orphaned else PATIENCE_SECONDS)
        if deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        code = reap(child)
    left = end_descendants()
    if left:
        print("Left running by the command, ended now:", *left, sep="\n  ", file=sys.stderr, flush=True)
    return LEFTOVERS if strict and left and code == 0 else code


def become(command: list[str], group: int) -> NoReturn:
    """Turn this process into the command, in the group that the terminal talks to."""
    os.setpgid(0, group)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - running what the Makefile says is its whole purpose
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)


def reap(wanted: int) -> int | None:
    """Collect ended children; return the exit code of `wanted` if it was among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == wanted:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def end_descendants() -> list[str]:
    """End every process below this one (1 s by itself, 5 s after SIGTERM, SIGKILL); return what they were."""
    settle = time.monotonic() + 1.0
    while (alive := descendants()) and time.monotonic() < settle:
        pause()
    left = [f"{pid} {words}" for pid in alive if (words := command_line(pid))]
    for pid in alive:
        send(pid, signal.SIGTERM)
        send(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE_SECONDS
    while alive := descendants():
        if time.monotonic() > deadline:
            for pid in alive:
                send(pid, signal.SIGKILL)
        pause()
    return left


def pause() -> None:
    """Let ended children be collected, at most 50 ms."""
    signal.sigtimedwait({signal.SIGCHLD}, 0.05)
    reap(-1)


def descendants() -> list[int]:
    """Every live process below this one, from one reading of /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue  # ended while we looked
            if state != "Z" or int(parent) != os.getpid():
                children.setdefault(int(parent), []).append(int(entry.name))
    found, unread = [], [os.getpid()]
    while unread:
        below = children.get(unread.pop(), [])
        found += below
        unread += below
    return found


def command_line(pid: int) -> str:
    """What a process was started as, cut to one readable line; empty if it is gone."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .replace(b"\0", b" ")
            .decode(errors="replace")
            .strip()[:150]
        )
    except OSError:
        return ""


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def came_from_terminal(received: signal.struct_siginfo) -> bool:
    """Say whether the kernel sent it (Ctrl-C reaches the command by itself), not another process."""
    return received.si_signo == signal.SIGINT and received.si_code > 0


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def prctl(option: int, value: int) -> None:
    """Call prctl of Linux; the standard library has no name for it."""
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
