"""The sandbox's Docker stack, its environment `masking`: brought up when it is first asked for, with data and a backup.

A machine without an engine has everything else of the sandbox.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rules.errors import RecoveryRefused
from sandbox import processes
from sandbox.places import Home
from sandbox.stack import engine as engines
from sandbox.stack.engine import Engine

if TYPE_CHECKING:
    from sandbox.stack.stack import DockerStack

MASKING = "masking"
"""The environment."""

KEYS = 400
"""Mappings it holds: enough to count, few enough to set back in no time."""

RESTORABLE_SECONDS = 30 * 86400.0
"""It is practised on long after its backup was made."""

_started: dict[str, Engine] = {}
"""Engines this process started, by address."""


def start(home: Home, *, outlive: bool) -> DockerStack:
    """The stack, brought up if it is not. `outlive`: an engine that must be started stays when this process ends.

    Raises:
        RecoveryRefused: there is no engine and none can be started, or its images cannot be made; says what is missing.
        StepFailed: it did not come up.
    """
    from sandbox.stack.moment import Moment
    from sandbox.stack.stack import DockerStack

    if running := _running(home):
        return DockerStack.load(_folder(home), running.address)
    engine = engines.find_or_start(outlive=outlive)
    _started[engine.address] = engine
    _note(home, engine)
    try:
        stack = DockerStack.start(_folder(home), engine.address, foreign=True)
        stack.fill(KEYS)
        _describe(home, stack)
        _back_up(home)
        Moment(stack).keep()
    except BaseException:
        stop(home)
        raise
    return stack


def set_back(home: Home) -> None:
    """Make the stack as it was brought up, if it was."""
    from sandbox.stack.moment import Moment
    from sandbox.stack.stack import DockerStack

    if running := _running(home):
        Moment(DockerStack.load(_folder(home), running.address)).set_back()


def stop(home: Home) -> None:
    """Remove the stack, and end its engine if it is the sandbox's own."""
    from sandbox.stack import port_holder
    from sandbox.stack.stack import DockerStack

    engine = _running(home)
    if engine is not None:
        port_holder.end(_folder(home))
        DockerStack.load(_folder(home), engine.address).down()
        engine.stop()
        _started.pop(engine.address, None)
    for path in (*home.path.glob(f"{MASKING}*"), _record(home), _environment_file(home)):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def told(home: Home) -> str:
    """Where it runs, that nobody asked for it, or why it is left out: a few words."""
    if running := _running(home):
        return f"runs on {running.address}"
    if engines.find() is None:
        try:
            engines.refuse_where_impossible()
        except RecoveryRefused as why:
            return f"left out: {why.message}"
    return "not asked for"


def _running(home: Home) -> Engine | None:
    """The engine it runs on, if that one still answers."""
    try:
        known: dict[str, Any] = json.loads(_record(home).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not engines.answers(known["address"]):
        return None
    if known["address"] in _started:
        return _started[known["address"]]
    host = processes.Recorded(**known["host"]) if known["host"] else None
    return Engine(known["address"], Path(known["folder"]) if known["folder"] else None, host)


def _note(home: Home, engine: Engine) -> None:
    known = {
        "address": engine.address,
        "folder": str(engine.folder) if engine.folder else None,
        "host": asdict(engine.host) if engine.host else None,
    }
    _record(home).write_text(json.dumps(known), encoding="utf-8")


def _describe(home: Home, stack: DockerStack) -> None:
    import yaml

    from sandbox.stack.environment import described

    found = described(stack)
    found["platform"]["rpo_seconds"] = RESTORABLE_SECONDS
    text = yaml.safe_dump(found, sort_keys=False, width=110)
    home.environments.mkdir(parents=True, exist_ok=True)
    _environment_file(home).write_text(f"# Written by the practice sandbox.\n{text}", encoding="utf-8")


def _back_up(home: Home) -> None:
    """Make the backup that recoveries return to, and prove it."""
    from deployments.environments import load_environment
    from flows.backup import backup
    from flows.restore_test import restore_test
    from rules.backups import BackupKind

    environment = load_environment(MASKING, home.environments)
    backup.fn(environment, BackupKind.DEPLOY, "the practice stack as it was brought up")
    restore_test.fn(environment)


def _folder(home: Home) -> Path:
    return home.path / MASKING


def _record(home: Home) -> Path:
    return home.path / "engine.json"


def _environment_file(home: Home) -> Path:
    return home.environments / f"{MASKING}.yaml"
