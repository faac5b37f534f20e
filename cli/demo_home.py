"""The demo's own home: a folder that is emptied at the start, and that two demos never share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rules.errors import RecoveryRefused

DEFAULT = Path(".backstop/demo")
MARK = "made-by-backstop-demo"
"""A file that says that the folder is ours to empty."""


@contextmanager
def own_home() -> Iterator[Path]:
    """Empty the demo's home, hold it, and point this process's settings at it.

    Raises:
        RecoveryRefused: BACKSTOP_HOME holds something else, or another demo runs in it.
    """
    home = Path(os.environ.get("BACKSTOP_HOME") or DEFAULT).absolute()
    mark = home / MARK
    if home.exists() and any(home.iterdir()) and not mark.exists():
        raise RecoveryRefused(
            f"{home} holds something that is not a demo.",
            hint="Set BACKSTOP_HOME to another folder, or unset it.",
        )
    home.mkdir(parents=True, exist_ok=True)
    with mark.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecoveryRefused(
                f"Another demo runs in {home}.",
                hint="End it with Ctrl-C, or set BACKSTOP_HOME to another folder.",
            ) from error
        _empty(home)
        _point_at(home)
        yield home


def _empty(home: Path) -> None:
    for entry in home.iterdir():
        if entry.name == MARK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _point_at(home: Path) -> None:
    """Nothing of whoever runs the demo: no AWS account, no Prefect server or profile, no other settings."""
    from blocks.settings import settings

    for name in [name for name in os.environ if name.startswith(("AWS_", "BACKSTOP_", "PREFECT_", "TF_"))]:
        del os.environ[name]
    os.environ |= {
        "BACKSTOP_HOME": str(home),
        "BACKSTOP_ENVIRONMENTS": str(home / "sandbox" / "environments"),
        "PREFECT_HOME": str(home / "prefect"),
    }
    settings.cache_clear()
