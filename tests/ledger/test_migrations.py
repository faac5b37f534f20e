"""The migrations make the tables that the models describe."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ledger.database import HEAD, MIGRATIONS, Ledger
from ledger.models import IncidentRow


def scripts() -> ScriptDirectory:
    """The ledger's migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def test_migrating_gives_the_models(ledger: Ledger) -> None:
    """Alembic finds nothing to change between a migrated database and the models."""
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )

        assert compare_metadata(context, IncidentRow.metadata) == []


def test_opening_knows_the_newest_migration() -> None:
    """The version that opening compares with is the only head of the migrations."""
    assert scripts().get_heads() == [HEAD]


def test_no_migration_goes_back() -> None:
    """Going back would drop the record of every incident: each migration refuses it."""
    for revision in scripts().walk_revisions():
        with pytest.raises(RuntimeError, match="never migrated down"):
            revision.module.downgrade()
