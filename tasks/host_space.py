"""Room on this host."""

from __future__ import annotations

import shutil

from blocks.settings import settings
from tasks.kinds import probe


@probe
def free_space() -> int:
    """Bytes that are free where Backstop keeps its things. Permissions: none."""
    folder = settings().home.absolute()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
