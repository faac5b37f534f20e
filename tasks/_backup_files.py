"""The files of backups: written with one clear error when the disk is full, manifests read strictly."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from rules.backups import BackupManifest
from rules.errors import RecoveryRefused, StepFailed


@contextlib.contextmanager
def written(doing: str, where: Path) -> Iterator[None]:
    """Write files; `doing` says in the error what for.

    Raises:
        StepFailed: no space is left, or it may not be written there.
    """
    try:
        yield
    except ConnectionError:
        raise  # of whatever is read, not of the disk
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StepFailed(
                f"Could not {doing}: no space is left in {where}.",
                hint="Make room there, or let old backups go. Nothing half written was left.",
            ) from error
        reason = error.strerror or type(error).__name__
        raise StepFailed(
            f"Could not {doing}: {reason} ({where}).", hint="Backstop's user must be able to write there."
        ) from error


def parsed(body: bytes | None, backup: str, place: str) -> BackupManifest:
    """A backup's manifest; None: there is none in that place.

    Raises:
        RecoveryRefused: there is none, it cannot be read, or it is another backup's.
    """
    if body is None:
        raise RecoveryRefused(
            f"There is no backup {backup} in {place}.", hint="`backstop backup --list` shows them."
        )
    try:
        found = BackupManifest.model_validate_json(body)
    except ValidationError as error:
        raise RecoveryRefused(f"The manifest of the backup {backup} cannot be read.") from error
    if found.id != backup:
        raise RecoveryRefused(f"The manifest of the backup {backup} is that of {found.id}.")
    return found
