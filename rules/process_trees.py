"""Which processes belong to a test run, and whether they still do anything.

Runbook source: 000, scenario 6 «Process Hung/Stuck». Its `pgrep -f "itk run"` finds whatever has these words in its
command line, an editor with a file of that name among them, and misses a child that left for a session of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SAME_START = 0.05
"""Seconds by which two readings of one process's start may differ."""

IDLE_SHARE = 0.01
"""Of one processor's time: who uses less does nothing but wait."""


@dataclass(frozen=True, slots=True)
class Root:
    """The run's first process, as the run wrote it down. `started` is Unix seconds."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class Seen:
    """One process of the host. `session` is the pid of its session's leader, `run_id` what its environment says."""

    pid: int
    parent: int
    started: float
    session: int = 0
    run_id: str = ""
    zombie: bool = False
    command: str = ""


def members(
    processes: Iterable[Seen], root: Root | None, run_id: str, spared: frozenset[int] = frozenset()
) -> tuple[Seen, ...]:
    """The run's processes, the oldest first.

    They are the root by pid and start, what names the run in its environment, what is in a session that the root leads,
    and all descendants of these. A pid alone proves nothing: it may be another process's by now. `spared` are never
    chosen, nor reached through.
    """
    by_pid = {process.pid: process for process in processes if process.pid not in spared}
    true_root = by_pid.get(root.pid) if root else None
    if true_root and root and abs(true_root.started - root.started) > SAME_START:
        true_root = None
    chosen = {true_root.pid} if true_root else set()
    for process in by_pid.values():
        if (run_id and process.run_id == run_id) or (true_root and process.session == true_root.pid):
            chosen.add(process.pid)
    grew = True
    while grew:
        found = {p.pid for p in by_pid.values() if p.parent in chosen and _is_child(p, by_pid[p.parent])}
        grew = not found <= chosen
        chosen |= found
    # A process names its run for good: somebody else's never becomes ours by its parent.
    kept = [by_pid[pid] for pid in chosen if by_pid[pid].run_id in ("", run_id)]
    return tuple(sorted(kept, key=lambda process: (process.started, process.pid)))


def _is_child(child: Seen, parent: Seen) -> bool:
    return child.started >= parent.started - SAME_START


def alive(processes: Iterable[Seen]) -> tuple[Seen, ...]:
    """Those that can still do something: a zombie is gone, and only waits for its parent to notice."""
    return tuple(process for process in processes if not process.zombie)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process has used since it began: seconds of processor time, bytes read and written."""

    cpu_seconds: float
    io_bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """All of a run at one moment. Processes are told apart by pid and start; `output` is the size of its files."""

    at: float
    usage: Mapping[tuple[int, float], Usage]
    output: int


def progress(before: Sample, after: Sample) -> str:
    """What a run did between two moments, in words; empty: nothing."""
    if after.output != before.output:
        return f"its files changed by {after.output - before.output} bytes"
    begun = after.usage.keys() - before.usage.keys()
    if begun:
        return f"{len(begun)} processes began"
    shared = before.usage.keys() & after.usage.keys()
    cpu = sum(after.usage[one].cpu_seconds - before.usage[one].cpu_seconds for one in shared)
    if cpu > IDLE_SHARE * max(after.at - before.at, 0.0):
        return f"it used {cpu:.2f} s of processor time"
    moved = sum(after.usage[one].io_bytes - before.usage[one].io_bytes for one in shared)
    if moved:
        return f"it read or wrote {moved} bytes"
    return ""
