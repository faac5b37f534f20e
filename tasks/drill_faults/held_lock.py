"""Drill fault: the lock of the Terraform state is held by a process of ours that is dead, as after a killed apply."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from blocks.environment import Environment
from ledger.holders import this_process
from rules.drills import FaultName
from rules.errors import RecoveryRefused, StepFailed
from rules.state_locks import from_json
from tasks._terraform_folders import home_of
from tasks._terraform_state import read_state_lock, remove_state_lock, write_state_lock
from tasks._terraform_survivors import RunRecord
from tasks.drill_faults.kind import DrillFault, Note, Wish
from tasks.repositories import commit_of
from tasks.terraform_runs import init_workspace

_DRILL, _RELEASE, _COMMIT, _LOCK = "drill", "release", "commit", "lock"


def prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    """Where the state is, and the id of the lock that will be left.

    Permissions: s3:GetObject, dynamodb:GetItem
    """
    if not wish.releases:
        raise RecoveryRefused(
            "No release was ever recorded here: it is not known where the state is.",
            hint="Pipelines record releases with the flow `record-release`.",
        )
    commit: str = commit_of(environment.lambda_platform.terraform, wish.releases[0])
    note = {_DRILL: wish.drill, _RELEASE: wish.releases[0], _COMMIT: commit, _LOCK: str(uuid4())}
    held = read_state_lock(environment, _code(environment, note))
    if held:
        raise RecoveryRefused(f"The state is locked already: {held}.", hint="Wait until it is free.")
    return note


def inject(environment: Environment, note: Note) -> None:
    """Begin a process, write down that it is ours, let it end, and leave the lock that it would have held.

    Permissions: s3:PutObject, dynamodb:PutItem
    """
    code, us = _code(environment, note), this_process()
    record = RunRecord(_record(environment, note))
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        record.began(child.pid)
        body = {
            "ID": note[_LOCK],
            "Operation": "OperationTypeApply",
            "Info": "",
            "Who": f"{us.user}@{platform.node()}",
            "Version": "",
            "Created": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "Path": environment.name,
        }
        record.saw(from_json(json.dumps(body)))
    finally:
        child.kill()
        child.communicate()
    if not write_state_lock(environment, code, body):
        raise StepFailed(
            "Somebody has taken the state's lock meanwhile.", hint="Drill again once it is free."
        )


def undo(environment: Environment, note: Note) -> str:
    """Give back exactly this lock, if it is still there; a later one is left alone.

    Permissions: s3:DeleteObject, dynamodb:DeleteItem
    """
    code = _code(environment, note)
    held = read_state_lock(environment, code)
    remove_state_lock(environment, code, note[_LOCK])
    shutil.rmtree(_record(environment, note).parents[1], ignore_errors=True)
    return f"{held} was still there" if held and held.id == note[_LOCK] else ""


def _code(environment: Environment, note: Note) -> Path:
    found: Path = init_workspace.fn(environment, note[_RELEASE], note[_COMMIT])
    return found


def _record(environment: Environment, note: Note) -> Path:
    path = home_of(environment) / note[_DRILL] / "runs" / "held-lock.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


HELD_LOCK = DrillFault(FaultName.HELD_LOCK, prepare, inject, undo)
