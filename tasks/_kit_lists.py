"""Settings of a kit's `.env` that are lists of names."""

from __future__ import annotations

import os
from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.kit_settings import read_settings, with_setting
from rules.outcomes import Effect


def add_to_list(environment: Environment, variable: str, names: tuple[str, ...]) -> Effect:
    """Add names to a list; those that are there stay, and so does every other line.

    Raises:
        StepFailed: the file cannot be changed.
    """
    path = Path(environment.test_kit.folder).expanduser() / ".env"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        have = [name.strip() for name in read_settings(text).get(variable, "").split(",") if name.strip()]
        missing = [name for name in names if name.lower() not in {each.lower() for each in have}]
        if not missing:
            return Effect(subject=variable, changed=False, after=f"{len(have)} names")
        beside = path.with_name(f".{path.name}.backstop")
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o600
        with os.fdopen(
            os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode), "w", encoding="utf-8"
        ) as out:
            out.write(with_setting(text, variable, ",".join([*have, *missing])))
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        raise StepFailed(
            f"{path} could not be changed: {error.strerror}.", hint="Check who may write there."
        ) from error
    return Effect(
        subject=variable, changed=True, before=f"{len(have)} names", after=f"{len(have) + len(missing)} names",
        detail=f"added {', '.join(missing)}",
    )  # fmt: skip
