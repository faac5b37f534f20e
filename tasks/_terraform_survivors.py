"""What a dead run leaves behind: records of its Terraform processes, and the processes themselves.

A record says which state lock was ours, so that it is recognised after our own death. A process is found by its
working directory: only what we started there has one in the incident's folder.
"""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from ledger.cases import current_case
from ledger.holders import Holder, is_dead, this_process
from rules.errors import StepFailed
from rules.state_locks import OwnRun, StateLock, taken_by

GRACE_SECONDS = 60.0
"""How long an interrupted Terraform may take to write its state."""

_CLOCKS_SECONDS = 2.0
"""A process's start and a lock's time are of the same host, but not of the same clock."""

_PROVIDER_SECONDS = 5.0
_VERBS = frozenset({"init", "plan", "apply", "show"})


class RunRecord:
    """What is written down of one run, so that its lock is recognised after our own death."""

    def __init__(self, path: Path) -> None:
        self._path, self.lock_id = path, ""
        self._told: dict[str, Any] = {}

    def began(self, pid: int) -> None:
        """Write down which process it is, before it can hold a lock."""
        us = this_process()
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            started = time.time()
        child = us.model_copy(update={"pid": pid, "started": started})
        case = current_case.get()
        self._told = {
            "process": child.model_dump(),
            "who": f"{us.user}@{us.host}",
            "begun": datetime.fromtimestamp(started - 1, UTC).isoformat(),
            "incident": case.incident_id if case else "",
            "lock": "",
        }
        self._write()

    def saw(self, lock: StateLock | None) -> None:
        """Write down the lock it holds, if this one is its own."""
        if lock and taken_by(lock, self._told["who"], datetime.fromisoformat(self._told["begun"])):
            self.lock_id = self._told["lock"] = lock.id
            self._write()

    def ended(self, code: int | None) -> None:
        """Write down when it ended, and how; a code of None: it still runs, without us."""
        self._told["exit_code"] = code
        self._told["ended"] = datetime.now(UTC).isoformat() if code is not None else ""
        self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(self._told), encoding="utf-8")
        draft.replace(self._path)


def own_runs(folder: Path) -> list[OwnRun]:
    """Every Terraform process that this installation started for an environment, as evidence about a lock."""
    found = []
    for path in folder.glob("*/runs/*.json"):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found.append(
                OwnRun(
                    who=told["who"],
                    begun=datetime.fromisoformat(told["begun"]),
                    lock_id=told["lock"],
                    ended=datetime.fromisoformat(told["ended"]) if told.get("ended") else None,
                    dead=is_dead(Holder.model_validate(told["process"])) is True,
                    incident=told["incident"],
                )
            )
        except (OSError, ValueError, KeyError):
            continue  # half a record proves nothing
    return found


def settle(folder: Path, timeout_seconds: float) -> None:
    """Wait for what a dead run of ours left running in `folder`, so that nobody works beside us.

    A Terraform there finishes what it began; after `timeout_seconds` it is interrupted, once. Providers whose
    Terraform was killed may still complete a call; then they are ended, because they would never end themselves.

    Raises:
        StepFailed: it still runs.
    """
    found = _inside(folder)
    if not found:
        return
    working = [process for process in found if _is_terraform(process)]
    _, left = psutil.wait_procs(working, timeout=timeout_seconds)
    for process in left:
        process.send_signal(signal.SIGINT)
    _, left = psutil.wait_procs(left, timeout=GRACE_SECONDS)
    if left:
        raise StepFailed(
            f"A Terraform of an earlier run (pid {left[0].pid}) still runs and does not stop.",
            hint="Look at what it waits for; do not kill it unless you must: its state would be lost.",
        )
    _, orphans = psutil.wait_procs(_inside(folder), timeout=_PROVIDER_SECONDS)
    for process in orphans:
        process.terminate()
    for process in psutil.wait_procs(orphans, timeout=_PROVIDER_SECONDS)[1]:
        process.kill()


def _inside(folder: Path) -> list[psutil.Process]:
    root = str(folder.resolve())
    found = []
    for process in psutil.process_iter(["cwd"]):
        cwd = process.info["cwd"] or ""  # a zombie has none
        if cwd == root or cwd.startswith(root + "/"):
            found.append(process)
    return found


def _is_terraform(process: psutil.Process) -> bool:
    try:
        binary, *rest = process.cmdline() or [""]
        return Path(binary).name in ("terraform", "tofu") or bool(
            _VERBS & set(rest[:1]) and "-no-color" in rest
        )
    except psutil.Error:
        return False


def nobody_left_from(at: datetime) -> bool:
    """Whether no Terraform that ran on this host at `at` (UTC), whoever started it, runs there still."""
    return not any(_ran_at(process, at) for process in psutil.process_iter() if _is_terraform(process))


def _ran_at(process: psutil.Process, at: datetime) -> bool:
    try:
        return process.create_time() <= at.timestamp() + _CLOCKS_SECONDS
    except psutil.NoSuchProcess:
        return False
