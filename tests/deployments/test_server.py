"""The Prefect server we start: quick, complete, and gone when it should be."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from deployments import schema


@pytest.mark.slow
def test_the_shipped_schema_is_the_one_prefect_migrates_to(tmp_path: Path) -> None:
    """The shipped schema equals what the installed Prefect's own migrations make."""
    migrated = schema.dumped(schema.migrated(tmp_path))

    assert _parts(schema.DUMP.read_text()) == _parts(migrated), "run: python -m deployments.schema"


def test_a_fresh_database_is_laid_out_and_an_existing_one_is_left_alone(tmp_path: Path) -> None:
    """Laying out makes a complete database once, and never touches one that exists."""
    database = tmp_path / "prefect.db"

    schema.lay_out(database)
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO flow (id, name) VALUES ('1', 'mine')")
    schema.lay_out(database)

    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT name FROM flow").fetchall() == [("mine",)]
    assert schema.dumped(database) == schema.DUMP.read_text()


def test_a_schema_unknown_to_the_installed_prefect_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an older Prefect the file is left aside and Prefect migrates by itself."""
    newer = tmp_path / "newer.sql"
    newer.write_text("INSERT INTO \"alembic_version\" VALUES('ffffffffffff');\n")
    monkeypatch.setattr(schema, "DUMP", newer)

    schema.lay_out(tmp_path / "prefect.db")

    assert not (tmp_path / "prefect.db").exists()


def _parts(dump: str) -> list[str]:
    """The columns and constraints, sorted: migrations write constraints in any order."""
    return sorted(filter(None, (part.strip() for part in re.split(r"[,\n]", dump))))
