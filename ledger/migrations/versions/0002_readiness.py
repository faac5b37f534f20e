"""Whether recoveries would work, and since when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.tables import UtcTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of readiness."""
    op.create_table(
        "readiness",
        sa.Column("environment", sa.String(length=40), nullable=False),
        sa.Column("scenario", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("checked_at", UtcTime(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("told_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("environment", "scenario"),
    )


def downgrade() -> None:
    """Refused: going back would drop the record of every incident."""
    raise RuntimeError("The ledger is never migrated down; restore it from a backup instead.")
