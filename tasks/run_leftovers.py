"""What a dead test run leaves behind: its locks, and its half-written artifacts."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.process_trees import Root
from tasks._run_folders import ASIDE, RunRecord, run_folder
from tasks._run_processes import Kit, tree_of
from tasks.kinds import action, probe

_SKIPPED = {".git", ".venv", "node_modules"}


@probe
def run_locks(environment: Environment, run_id: str) -> tuple[str, ...]:
    """The lock files that name a run as their owner, below the kit's folder. Permissions: none."""
    return tuple(str(path) for path, owner in _locks(environment) if owner.run_id == run_id)


@probe
def kit_locks(environment: Environment) -> dict[str, bool]:
    """The runs that hold a lock in the kit's folder, and whether each lives. Permissions: none."""
    return {owner.run_id: _lives(environment, owner) for _, owner in _locks(environment)}


@action(subject="the locks of {run_id}")
def free_locks(environment: Environment, run_id: str) -> Effect:
    """Remove the locks of a run that is dead, and no other. Repeating it changes nothing.

    Permissions: none

    Raises:
        StepFailed: the lock is held from another host, or by a process that lives.
    """
    freed = []
    for path, owner in _locks(environment):
        if owner.run_id != run_id:
            continue
        if owner.host and owner.host != socket.gethostname():
            raise StepFailed(
                f"{path.name} is held from the host {owner.host}.",
                hint="Nobody here can tell whether it lives.",
            )
        if _lives(environment, owner):
            raise StepFailed(f"{path.name} is held by a process that lives.", hint="Stop the run first.")
        path.unlink(missing_ok=True)
        freed.append(path.name)
    subject = f"the locks of {run_id}"
    if not freed:
        return Effect(subject=subject, changed=False, after="free", detail="it holds none")
    return Effect(subject=subject, changed=True, before=", ".join(freed), after="free")


@action(subject="the artifacts of {run_id}")
def set_artifacts_aside(environment: Environment, run_id: str) -> Effect:
    """Move a run's half-written folder away, where it stays as evidence. Repeating it changes nothing.

    Permissions: none
    """
    artifacts = Path(environment.test_kit.artifacts).expanduser()
    kept, subject = artifacts / ASIDE / run_id, f"the artifacts of {run_id}"
    if kept.exists() and not (artifacts / run_id).exists():
        return Effect(subject=subject, changed=False, after=str(kept), detail="they are set aside already")
    folder = run_folder(environment, run_id)
    if kept.exists():
        raise StepFailed(
            f"{kept} is there already, beside {folder}.",
            hint="Look at both by hand, and rename the older one.",
        )
    kept.parent.mkdir(exist_ok=True)
    folder.rename(kept)
    return Effect(subject=subject, changed=True, before=str(folder), after=str(kept))


def _locks(environment: Environment) -> Iterator[tuple[Path, RunRecord]]:
    """Every lock of the kit below its folder, with its owner. Links are not followed."""
    folder = Path(environment.test_kit.folder).expanduser()
    for path in sorted(folder.rglob("*.lock")):
        outside = path.is_symlink() or any(parent.is_symlink() for parent in path.relative_to(folder).parents)
        if outside or _SKIPPED & set(path.parts) or not path.is_file():
            continue
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            yield (
                path,
                RunRecord(
                    run_id=str(told["run_id"]),
                    pid=int(told["pid"]),
                    started=float(told["started"]),
                    host=str(told.get("host", "")),
                ),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # uv.lock, package-lock: somebody else's


def _lives(environment: Environment, owner: RunRecord) -> bool:
    return bool(tree_of(Kit.of(environment), Root(owner.pid, owner.started), owner.run_id))
