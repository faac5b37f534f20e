"""The list of blocked accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.tables import UtcTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "blocked_accounts",
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("blocked_at", UtcTime(), nullable=False),
        sa.Column("blocked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )


def downgrade() -> None:
    """Refused: an account that did harm would be open again."""
    raise RuntimeError("The ledger is never migrated down; restore it from a backup instead.")
