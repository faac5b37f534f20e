"""How readiness was over time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.tables import UtcTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table of spans."""
    op.create_table(
        "readiness_spans",
        sa.Column("environment", sa.String(length=40), nullable=False),
        sa.Column("scenario", sa.String(length=80), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("looked_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("environment", "scenario", "since"),
    )


def downgrade() -> None:
    """Refused: how ready it was could not be told any more."""
    raise RuntimeError("The ledger is never migrated down; restore it from a backup instead.")
