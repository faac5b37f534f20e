"""What was broken on purpose, and how its recovery went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledger.storable import Document
from ledger.tables import UtcTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "drills",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("environment", sa.String(length=40), nullable=False),
        sa.Column("tier", sa.String(length=20), nullable=False),
        sa.Column("scenario", sa.String(length=80), nullable=False),
        sa.Column("fault", sa.String(length=40), nullable=False),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("began_at", UtcTime(), nullable=False),
        sa.Column("began_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("flow_run_id", sa.String(length=40), nullable=True),
        sa.Column("holder", Document(), nullable=False),
        sa.Column("gives_up_at", UtcTime(), nullable=False),
        sa.Column("promised_seconds", sa.Float(), nullable=False),
        sa.Column("before", Document(), nullable=False),
        sa.Column("note", Document(), nullable=False),
        sa.Column("intent_at", UtcTime(), nullable=True),
        sa.Column("injected_at", UtcTime(), nullable=True),
        sa.Column("incident_id", sa.String(length=40), nullable=True),
        sa.Column("undone_at", UtcTime(), nullable=True),
        sa.Column("undo", sa.Text(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("grade", sa.String(length=20), nullable=True),
        sa.Column("reasons", Document(), nullable=False),
        sa.Column("told_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "one_open_drill",
        "drills",
        ["environment"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("drills_by_end", "drills", ["ended_at"])


def downgrade() -> None:
    """Refused: a fault that is still there would be forgotten."""
    raise RuntimeError("The ledger is never migrated down; restore it from a backup instead.")
