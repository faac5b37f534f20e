"""Releases made ready beforehand: checked out and initialised, so that at 3 a.m. neither Git nor a registry is needed.

What was initialised to prove a release is kept. A recovery begins with a copy of it, in which large files are links:
nobody writes into a provider. Whatever is wrong with a copy, Terraform is initialised as without one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from blocks.environment import Environment
from blocks.settings import settings
from rules.terraform_diagnostics import Cause, Diagnosis
from tasks import _terraform_command as command

READY = ".backstop-ready"
"""The file beside the code that says: Terraform is initialised here."""

_KEPT = 3
"""Releases of one environment: more are hardly returned to."""
_LARGE = 1 << 20
"""Bytes from which on a file is linked instead of copied."""


def keep_ready(environment: Environment, commit: str, checked_out: Path) -> None:
    """Keep a release that was checked out and initialised. Repeating it changes nothing."""
    target = _kept(environment, commit)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _put(checked_out, target)
    os.utime(target)
    for old in sorted(_folders(target.parent), key=_last_used, reverse=True)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def take_ready(environment: Environment, commit: str, wanted: Path) -> None:
    """Make `wanted` a copy of what was kept of a release; nothing happens where nothing sound was kept."""
    kept = _kept(environment, commit)
    if kept.is_dir() and not wanted.exists() and _whole(kept):
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, shutil.Error):  # whoever tidied it up was faster: it is made anew
            _put(kept, wanted)


def forget_if_not_ready(code: Path, diagnoses: Sequence[Diagnosis]) -> None:
    """Where Terraform says that it is not initialised here, it is when it is tried again."""
    if any(each.cause is Cause.NOT_READY for each in diagnoses):
        (code / READY).unlink(missing_ok=True)


def _kept(environment: Environment, commit: str) -> Path:
    """Where a release is kept: another way to initialise it is another folder."""
    way = hashlib.sha256("\0".join(command.init(environment.lambda_platform.terraform)).encode())
    return settings().home / "terraform-ready" / environment.name / f"{commit[:16]}-{way.hexdigest()[:8]}"


def _put(source: Path, target: Path) -> None:
    """At once or not at all: half a check-out must not look like one."""
    draft = Path(tempfile.mkdtemp(prefix=".ready-", dir=target.parent))
    try:
        shutil.copytree(source, draft / "files", symlinks=True, copy_function=_linked_if_large)
        with suppress(OSError):  # another run was faster
            (draft / "files").rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _linked_if_large(source: str, target: str, *, follow_symlinks: bool = True) -> object:
    link: Callable[[str, str], object] = os.link
    if os.stat(source, follow_symlinks=follow_symlinks).st_size >= _LARGE:  # noqa: PTH116 - shutil hands over texts
        with suppress(OSError):  # another file system
            return link(source, target)
    return shutil.copy2(source, target, follow_symlinks=follow_symlinks)


def _whole(folder: Path) -> bool:
    """Whether everything that is linked to is still there: a plugin cache may have been emptied."""
    return all(path.exists() for path in folder.rglob("*") if path.is_symlink())


def _folders(home: Path) -> list[Path]:
    return [entry for entry in home.iterdir() if not entry.name.startswith(".")]


def _last_used(folder: Path) -> float:
    return folder.stat().st_mtime
