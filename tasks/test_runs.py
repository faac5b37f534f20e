"""Runs of a test kit on this host: what they tell of themselves, whether they live, ending one."""

from __future__ import annotations

import socket
import time

from blocks.environment import Environment
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Effect
from rules.process_trees import Seen, progress
from rules.stray_messages import RunTraces
from rules.values import Frozen
from tasks._run_folders import RunRecord, newest_first, read_record, read_traces, run_folder
from tasks._run_processes import Kit, end_tree, sample, tree_of
from tasks.kinds import action, pause, probe, scaled

LOOKS = 10
"""So often a run is looked at while it is watched: it works as soon as one look shows something."""


class Activity(Frozen):
    """What a run does. `progress` is what it was seen to do while it was watched; empty: nothing."""

    processes: tuple[str, ...] = ()
    progress: str = ""
    watched_seconds: float = 0.0

    @property
    def hung(self) -> bool:
        """It lives, and did nothing for as long as it was watched."""
        return bool(self.processes) and not self.progress


@probe
def newest_run(environment: Environment) -> str:
    """The id of the newest run. Permissions: none.

    Raises:
        RecoveryRefused: no run has left anything.
    """
    for folder in newest_first(environment):
        return folder.name
    raise RecoveryRefused(
        f"No run has left anything in {environment.test_kit.artifacts}.",
        hint="Name one: `run=<its folder's name>`; or correct `artifacts` in the environment's file.",
    )


@probe
def run_record(environment: Environment, run_id: str) -> RunRecord:
    """What a run wrote down of itself. Permissions: none."""
    return read_record(run_folder(environment, run_id))


@probe
def run_traces(environment: Environment, run_id: str) -> RunTraces:
    """What a run published outside the queues meant for it, by its own word. Permissions: none."""
    return read_traces(run_folder(environment, run_id), environment.test_kit.targets)


@probe
def run_processes(environment: Environment, run_id: str) -> tuple[str, ...]:
    """The processes of a run that can still do something, in words. Permissions: none."""
    return tuple(_told(seen) for seen in _tree(environment, run_id))


@probe
def watch_run(environment: Environment, run_id: str) -> Activity:
    """Watch a run for as long as a hung one must be quiet; a run that does something is told at once.

    Permissions: none
    """
    folder, seconds = run_folder(environment, run_id), scaled(environment.test_kit.quiet_seconds)
    tree = _tree(environment, run_id)
    first, began = sample(tree, folder), time.monotonic()
    told = ""
    for _ in range(LOOKS):
        if not tree or told:
            break
        pause(environment.test_kit.quiet_seconds / LOOKS)
        tree = _tree(environment, run_id)
        told = progress(first, sample(tree, folder))
    watched = time.monotonic() - began
    return Activity(
        processes=tuple(_told(seen) for seen in tree),
        progress=told,
        watched_seconds=min(watched, seconds * 2),
    )


@action(subject="the processes of {run_id}")
def stop_run(environment: Environment, run_id: str) -> Effect:
    """End a run: SIGTERM, then SIGKILL, its whole tree and nothing else. Repeating it changes nothing.

    Permissions: none

    Raises:
        StepFailed: it runs on another host, or a process of it does not end.
    """
    record, subject = _here(environment, run_id), f"the processes of {run_id}"
    grace = environment.test_kit.grace_seconds
    ended, left = end_tree(Kit.of(environment), record.root, record.run_id, grace)
    if left:
        raise StepFailed(
            f"{_told(left[0])} of the run {run_id} does not end, not even by SIGKILL.",
            hint="It waits inside the kernel, for a disk or a network: bring that back, or restart the host.",
        )
    if not ended:
        return Effect(subject=subject, changed=False, after="ended", detail="none is left")
    return Effect(
        subject=subject, changed=True, before=f"{len(ended)} running", after="ended",
        detail="; ".join(_told(seen) for seen in ended)[:500],
    )  # fmt: skip


def _tree(environment: Environment, run_id: str) -> tuple[Seen, ...]:
    record = _here(environment, run_id)
    return tree_of(Kit.of(environment), record.root, record.run_id)


def _here(environment: Environment, run_id: str) -> RunRecord:
    record = read_record(run_folder(environment, run_id))
    if record.host and record.host != socket.gethostname():
        raise StepFailed(
            f"The run {run_id} is on the host {record.host}, this is {socket.gethostname()}.",
            hint=f"Start this recovery on {record.host}.",
        )
    return record


def _told(seen: Seen) -> str:
    return f"pid {seen.pid} ({seen.command[:80]})"
