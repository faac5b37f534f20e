"""Alembic's entry: the connection comes from `ledger.database`, which holds the lock on migrating."""

from __future__ import annotations

from alembic import context

from ledger.models import IncidentRow

context.configure(connection=context.config.attributes["connection"], target_metadata=IncidentRow.metadata)
with context.begin_transaction():
    context.run_migrations()
