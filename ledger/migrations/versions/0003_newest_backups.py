"""When each environment's newest backup was begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.tables import UtcTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table of newest backups."""
    op.create_table(
        "newest_backups",
        sa.Column("environment", sa.String(length=40), nullable=False),
        sa.Column("backup", sa.String(length=80), nullable=False),
        sa.Column("began_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("environment"),
    )


def downgrade() -> None:
    """Refused: going back would drop the record of every incident."""
    raise RuntimeError("The ledger is never migrated down; restore it from a backup instead.")
