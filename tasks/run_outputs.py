"""What a test run said while it ran: the end of its output, redacted."""

from __future__ import annotations

from pathlib import Path

from blocks.environment import Environment
from rules.redaction import redact
from tasks._run_folders import run_folder
from tasks.kinds import probe

_OUTPUTS = ("repeated.log", "output.log")
_MOST = 256 * 1024
"""Bytes of each that are read: their end, where a failure stands."""


@probe
def run_output(environment: Environment, run_id: str) -> str:
    """The end of what a run said; empty: nothing. Permissions: none."""
    folder = run_folder(environment, run_id)
    return "\n".join(redact(_end(folder / name)) for name in _OUTPUTS)


def _end(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MOST))
        text = file.read(_MOST).decode("utf-8", "replace")
    return text.partition("\n")[2] if size > _MOST else text
