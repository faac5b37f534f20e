"""The processes of a test run on this host: found by identity, measured, ended, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from blocks.environment import Environment
from rules.process_trees import Root, Sample, Seen, Usage, alive, members

ROUNDS = 3
"""So often what appeared while the tree was ended is ended too."""

_KILLED_SECONDS = 5.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Kit:
    """Where a kit's runs are, and the variable that names the run in their environment."""

    folder: Path
    variable: str

    @classmethod
    def of(cls, environment: Environment) -> Kit:
        """An environment's kit."""
        kit = environment.test_kit
        return cls(Path(kit.folder).expanduser().resolve(), kit.variables.run_id)


def tree_of(kit: Kit, root: Root | None, run_id: str) -> tuple[Seen, ...]:
    """The run's processes that can still do something."""
    table = [seen for process in psutil.process_iter() if (seen := _seen(process, kit))]
    return alive(members(table, root, run_id, _ourselves()))


def _ourselves() -> frozenset[int]:
    """This process and those it was started from."""
    me = psutil.Process()
    return frozenset({me.pid, *(parent.pid for parent in me.parents())})


def _seen(process: psutil.Process, kit: Kit) -> Seen | None:
    try:
        with process.oneshot():
            status = process.status()
            parent, started = process.ppid(), process.create_time()
            command = " ".join(process.cmdline())[:200] or process.name()
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return None  # another user's: not ours to end
    run_id, session = "", 0
    with contextlib.suppress(psutil.Error, OSError):
        session = os.getsid(process.pid)
        run_id = process.environ().get(kit.variable, "")
        # Two kits on one host may call a run alike. A process that left for good is in /.
        if run_id and not (Path(process.cwd()).is_relative_to(kit.folder) or process.cwd() == "/"):
            run_id = f"{run_id} in {process.cwd()}"
    return Seen(
        process.pid,
        parent,
        started,
        session,
        run_id,
        status == psutil.STATUS_ZOMBIE,
        command,
    )


def end_tree(kit: Kit, root: Root | None, run_id: str, grace_seconds: float) -> tuple[list[Seen], list[Seen]]:
    """SIGTERM to the whole tree, SIGKILL to what is left after the grace; again for what appeared meanwhile.

    Returns what was ended, and what could not be.
    """
    ended: dict[int, Seen] = {}
    for _ in range(ROUNDS):
        tree = tree_of(kit, root, run_id)
        if not tree:
            break
        ended |= {seen.pid: seen for seen in tree}
        _signal(tree, signal.SIGCONT)  # a stopped process takes no SIGTERM
        _signal(tree, signal.SIGTERM)
        left = _wait(tree, grace_seconds)
        _signal(left, signal.SIGKILL)
        _wait(left, _KILLED_SECONDS)
    # Orphans of a dead root are no tree any more: those that were seen are looked at one by one.
    left_over = {seen.pid: seen for seen in ended.values() if _lives(seen)}
    left_over |= {seen.pid: seen for seen in tree_of(kit, root, run_id)}
    return [seen for pid, seen in ended.items() if pid not in left_over], list(left_over.values())


def _signal(processes: Iterable[Seen], number: signal.Signals) -> None:
    for seen in processes:
        process = _same(seen)
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)


def _same(seen: Seen) -> psutil.Process | None:
    """Exactly that process, unless its pid is another's by now."""
    try:
        process = psutil.Process(seen.pid)
        return process if process.create_time() == seen.started else None
    except psutil.Error:
        return None


def _wait(processes: Iterable[Seen], seconds: float) -> list[Seen]:
    """Wait until these are gone or zombies; what is left after `seconds`."""
    left, until = list(processes), time.monotonic() + seconds
    while left := [seen for seen in left if _lives(seen)]:
        if time.monotonic() > until:
            break
        time.sleep(_LOOK_SECONDS)
    return left


def _lives(seen: Seen) -> bool:
    process = _same(seen)
    try:
        return process is not None and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def sample(tree: Iterable[Seen], folder: Path) -> Sample:
    """What the processes have used so far, and how much the run has written."""
    usage: dict[tuple[int, float], Usage] = {}
    for seen in tree:
        process = _same(seen)
        if process is None:
            continue
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            usage[seen.pid, seen.started] = Usage(times.user + times.system, _io(process))
    return Sample(time.monotonic(), usage, sum(_size(path) for path in folder.rglob("*")))


def _size(path: Path) -> int:
    """Bytes of a file; 0 for everything else, and for what the run has just removed."""
    try:
        seen = path.lstat()
    except OSError:
        return 0
    return seen.st_size if stat.S_ISREG(seen.st_mode) else 0


def _io(process: psutil.Process) -> int:
    """Bytes through read and write calls, the terminal's and the network's among them; 0 where nobody may look."""
    try:
        counters = process.io_counters()
    except (psutil.AccessDenied, NotImplementedError):
        return 0
    return int(getattr(counters, "read_chars", 0) + getattr(counters, "write_chars", 0))
