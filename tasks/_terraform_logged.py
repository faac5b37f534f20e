"""A Terraform of an incident: its progress is told, its output kept, and the lock it takes recognised as ours."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from blocks.environment import Environment
from ledger.cases import current_case
from ledger.database import open_ledger
from ledger.models import IncidentRow
from rules import state_locks
from rules.state_locks import Judgement, StateLock
from tasks._terraform_folders import folder_of, home_of
from tasks._terraform_process import TerraformRun, run
from tasks._terraform_state import read_state_lock
from tasks._terraform_survivors import nobody_left_from, own_runs
from tasks.kinds import say


def run_logged(
    environment: Environment,
    argv: list[str],
    code: Path,
    timeout_seconds: float,
    *,
    locks: bool = False,
    keep_output: bool = True,
) -> TerraformRun:
    """Run a command in `code` and tell its progress; `locks` says that it takes the state's lock."""
    return run(
        environment,
        argv,
        code,
        folder_of(environment) / "runs",
        timeout_seconds=timeout_seconds,
        on_event=_tell,
        lock=(lambda: read_state_lock(environment, code)) if locks else None,
        keep_output=keep_output,
    )


def _tell(event: dict[str, Any]) -> None:
    if event.get("type") in (
        "planned_change",
        "resource_drift",
        "apply_start",
        "apply_complete",
        "apply_errored",
    ):
        say(f"terraform: {event.get('@message', '')}")
    elif event.get("type") == "diagnostic" and event["diagnostic"].get("severity") == "error":
        say(f"terraform: {event['diagnostic'].get('summary', '')}")


def judged(environment: Environment, lock: StateLock) -> Judgement:
    """Who holds a lock, by what this installation and this host know."""
    case, named = current_case.get(), state_locks.frozen_by(lock)
    return state_locks.judge(
        lock,
        own_runs(home_of(environment)),
        alone=nobody_left_from(lock.created),
        host=platform.node(),
        incident=case.incident_id if case else "",
        ended=frozenset({named}) if named and _has_ended(named) else frozenset(),
    )


def _has_ended(incident_id: str) -> bool:
    with open_ledger().reading() as session:
        row = session.get(IncidentRow, incident_id)
        return row is not None and row.closed_at is not None
