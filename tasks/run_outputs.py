"""What a test run said and left: the end of its output, redacted; its exit code; which artifacts are there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from blocks.environment import Environment
from rules.redaction import redact
from rules.run_failures import ARTIFACTS, RunEnd
from tasks._run_folders import ASIDE, read_record, run_folder
from tasks.kinds import probe

_OUTPUTS = ("repeated.log", "output.log")
_MOST = 256 * 1024
"""Bytes of each that are read: their end, where a failure stands."""


@probe
def run_output(environment: Environment, run_id: str) -> str:
    """The end of what a run said; empty: nothing. Permissions: none."""
    folder = run_folder(environment, run_id)
    return "\n".join(redact(_end(folder / name)) for name in _OUTPUTS)


@probe
def run_end(environment: Environment, run_id: str) -> RunEnd:
    """How a run ended. Permissions: none."""
    return _ended(run_folder(environment, run_id))


@probe
def last_sign(environment: Environment, run_id: str) -> datetime:
    """When a run ended; of one that does not tell, when it last wrote anything. Permissions: none."""
    folder = run_folder(environment, run_id)
    written = [path.lstat().st_mtime for path in (folder, *folder.iterdir())]
    return read_record(folder).ended or datetime.fromtimestamp(max(written), UTC)


@probe
def repeated_runs(environment: Environment, run_id: str) -> dict[str, RunEnd]:
    """How the runs ended that were made because of this one, by their names. Permissions: none."""
    artifacts = Path(environment.test_kit.artifacts).expanduser()
    ours = re.compile(rf"{re.escape(run_id)}-(debug|retry)-\d+")
    found = [path for folder in (artifacts, artifacts / ASIDE) for path in folder.glob(f"{run_id}-*")]
    return {
        path.name: _ended(path)
        for path in sorted(found)
        if ours.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    }


def _ended(folder: Path) -> RunEnd:
    missing = tuple(name for name in ARTIFACTS if not (folder / name).is_file())
    return RunEnd(run=folder.name, exit_code=read_record(folder).exit_code, missing=missing)


def _end(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MOST))
        text = file.read(_MOST).decode("utf-8", "replace")
    return text.partition("\n")[2] if size > _MOST else text
