"""Writing the files of backups: with one clear error when the disk is full."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from rules.errors import StepFailed


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
