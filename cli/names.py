"""The names people type: checked before anything is done with them, with a guess at what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from cli.failures import WrongUsage

_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{1,30}")


def suggestion(typed: str, known: Sequence[str]) -> str:
    """` Did you mean …?` when something known is close to it, else what there is; starts with a space."""
    close = difflib.get_close_matches(typed, known, n=1, cutoff=0.55)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" There is: {', '.join(known)}." if known else ""


def environment_names() -> list[str]:
    """The environments that have a file, without reading it."""
    return sorted(path.stem for path in environments_folder().glob("*.yaml"))


def environments_folder() -> Path:
    """Where the environment files are: BACKSTOP_ENVIRONMENTS, or `deployments/environments`."""
    from blocks.settings import settings

    return settings().environments


def environment_name(name: str) -> str:
    """An environment's name that has a file, checked.

    Raises:
        WrongUsage: it cannot be a name, or there is no such environment; says which is meant.
    """
    known = environment_names()
    if not _ENVIRONMENT.fullmatch(name):
        raise WrongUsage(
            f"{name[:80]!r} cannot be the name of an environment.{suggestion(name[:80], known)}",
            hint="Lower case letters, digits and hyphens, beginning with a letter.",
        )
    if name not in known:
        raise WrongUsage(
            f"There is no environment {name!r}.{suggestion(name, known)}",
            hint=f"Environments are the YAML files in {environments_folder()} (BACKSTOP_ENVIRONMENTS).",
        )
    return name
