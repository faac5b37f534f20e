"""Prefect's finished SQLite schema, so that a fresh server does not run a hundred migrations (10 s).

`python -m deployments.schema` writes `prefect_schema.sql` anew after an upgrade of Prefect. A file that is
behind the installed Prefect is no harm: Prefect migrates the rest itself.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

DUMP = Path(__file__).parent / "prefect_schema.sql"
_MIGRATIONS = Path("server/database/_migrations/versions/sqlite")


def lay_out(database: Path) -> None:
    """Make a fresh Prefect database at `database`, unless there is one or Prefect does not know ours."""
    if database.exists() or not DUMP.is_file() or not _known_to_prefect(DUMP.read_text(encoding="utf-8")):
        return
    unfinished = database.with_suffix(f".{os.getpid()}.new")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, so that it can be renamed
        connection.executescript(DUMP.read_text(encoding="utf-8"))
    finally:
        connection.close()
    unfinished.replace(database)


def dumped(database: Path) -> str:
    """The schema of a Prefect database, with its migration revision and no other rows."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        lines = [line for line in connection.iterdump() if not line.startswith("INSERT INTO")]
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    finally:
        connection.close()
    lines.insert(-1, f"INSERT INTO \"alembic_version\" VALUES('{revision}');")
    return "\n".join(lines) + "\n"


def migrated(folder: Path) -> Path:
    """A database made by Prefect's own migrations, in `folder`."""
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
        env={**os.environ, "PREFECT_HOME": str(folder)},
        check=True,
        capture_output=True,
    )
    return folder / "prefect.db"


def _known_to_prefect(dump: str) -> bool:
    found = re.search(r"\"alembic_version\" VALUES\('([0-9a-f]+)'\)", dump)
    spec = find_spec("prefect")
    if found is None or spec is None or spec.origin is None:
        return False
    return any((Path(spec.origin).parent / _MIGRATIONS).glob(f"*{found.group(1)}*.py"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        DUMP.write_text(dumped(migrated(Path(scratch))), encoding="utf-8")
