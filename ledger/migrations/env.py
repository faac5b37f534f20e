"""Alembic's entry: the connection comes from `ledger.database`, which holds the lock on migrating."""

from __future__ import annotations

from alembic import context

from ledger import drill_rows, models  # noqa: F401 - once they are imported, their tables are known
from ledger.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
