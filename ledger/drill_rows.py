"""The ledger's table of drills."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from ledger.tables import Base


class DrillRow(Base):
    """One drill: a fault that was brought about on purpose, and how its recovery went."""

    __tablename__ = "drills"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    environment: Mapped[str] = mapped_column(String(40))
    tier: Mapped[str] = mapped_column(String(20))
    scenario: Mapped[str] = mapped_column(String(80))
    fault: Mapped[str] = mapped_column(String(40))
    emergency: Mapped[bool] = mapped_column(Boolean, default=False)
    began_at: Mapped[datetime]
    began_by: Mapped[str] = mapped_column(default="")
    approved_by: Mapped[str] = mapped_column(default="")
    flow_run_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    holder: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Its process: the janitor undoes the fault of one that is dead."""
    gives_up_at: Mapped[datetime]
    promised_seconds: Mapped[float] = mapped_column(Float)
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The world before, to compare with afterwards."""
    note: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What is needed to undo the fault."""
    intent_at: Mapped[datetime | None] = mapped_column(nullable=True)
    """Written before the fault is brought about."""
    injected_at: Mapped[datetime | None] = mapped_column(nullable=True)
    incident_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    undone_at: Mapped[datetime | None] = mapped_column(nullable=True)
    """Null with an intent: the fault may still be there."""
    undo: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None] = mapped_column(nullable=True)
    grade: Mapped[str | None] = mapped_column(String(20), nullable=True)
    """pass, fail or inconclusive."""
    reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    told_at: Mapped[datetime | None] = mapped_column(nullable=True)
    __table_args__ = (
        Index(
            "one_open_drill",
            "environment",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("drills_by_end", "ended_at"),
    )
