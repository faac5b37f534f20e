"""The ledger's tables: what must not be lost. Times are UTC; JSON columns hold redacted values only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ledger.tables import Base


class IncidentRow(Base):
    """One occurrence of a scenario in one environment; open until `closed_at`."""

    __tablename__ = "incidents"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    scenario: Mapped[str] = mapped_column(String(80))
    environment: Mapped[str] = mapped_column(String(40))
    tier: Mapped[str] = mapped_column(String(20))
    rehearsal: Mapped[bool] = mapped_column(Boolean, default=False)
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    alarm_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    flow_run_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    severity: Mapped[str | None] = mapped_column(String(20), nullable=True)
    finding: Mapped[dict[str, Any] | None] = mapped_column(nullable=True)
    budget_seconds: Mapped[float] = mapped_column(Float, default=300.0)
    phase: Mapped[str] = mapped_column(String(20), default="detect")
    plan_id: Mapped[int | None] = mapped_column(Integer, nullable=True)
    """The pinned plan: what a resumed run acts on."""
    runs: Mapped[int] = mapped_column(Integer, default=1)
    seconds: Mapped[dict[str, Any]] = mapped_column(default=dict)
    head: Mapped[str] = mapped_column(String(64), default="")
    """The hash of the timeline's last entry: without it, entries missing at the end could not be noticed."""
    verification: Mapped[dict[str, Any] | None] = mapped_column(nullable=True)
    closed_at: Mapped[datetime | None] = mapped_column(nullable=True)
    ending: Mapped[str | None] = mapped_column(String(20), nullable=True)
    ending_reason: Mapped[str] = mapped_column(default="")
    ending_hint: Mapped[str] = mapped_column(default="")
    __table_args__ = (
        Index(
            "one_open_incident",
            "scenario",
            "environment",
            unique=True,
            sqlite_where=text("closed_at IS NULL AND rehearsal = 0"),
            postgresql_where=text("closed_at IS NULL AND NOT rehearsal"),
        ),
        Index("incidents_by_environment", "environment", "opened_at"),
    )


class PlanRow(Base):
    """One decided rung of an incident. `state` is pinned, acting, verified, failed, undone or void."""

    __tablename__ = "plans"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    rung: Mapped[str] = mapped_column(String(40))
    digest: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20), default="pinned")
    pinned_at: Mapped[datetime]
    acting_at: Mapped[datetime | None] = mapped_column(nullable=True)
    ended_at: Mapped[datetime | None] = mapped_column(nullable=True)
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(nullable=True)


class ApprovalRow(Base):
    """One person's answer to one plan digest. Used at most once."""

    __tablename__ = "approvals"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    decision: Mapped[str] = mapped_column(String(20))
    """approve, reject or break-glass."""
    approver: Mapped[str] = mapped_column(String(120))
    comment: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(String(20))
    """prefect, command or policy."""
    decided_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None] = mapped_column(nullable=True)
    __table_args__ = (UniqueConstraint("incident_id", "digest", "approver", name="one_answer_each"),)


class StepRow(Base):
    """One action's journal: the intent is written before it acts, the result after."""

    __tablename__ = "steps"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    plan_id: Mapped[int | None] = mapped_column(Integer, nullable=True)
    fence: Mapped[int] = mapped_column(Integer)
    phase: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str]
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    intent_at: Mapped[datetime]
    result_at: Mapped[datetime | None] = mapped_column(nullable=True)
    result: Mapped[str | None] = mapped_column(String(20), nullable=True)
    """changed, unchanged or failed; null: killed before it could say."""
    effect: Mapped[dict[str, Any] | None] = mapped_column(nullable=True)
    error: Mapped[str] = mapped_column(default="")


class LeaseRow(Base):
    """The right to change one environment. `fence` only ever grows."""

    __tablename__ = "leases"
    environment: Mapped[str] = mapped_column(String(40), primary_key=True)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    incident_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    holder: Mapped[dict[str, Any] | None] = mapped_column(nullable=True)
    acquired_at: Mapped[datetime | None] = mapped_column(nullable=True)
    expires_at: Mapped[datetime | None] = mapped_column(nullable=True)


class ReleaseRow(Base):
    """One deployment of a release to an environment, and what verification said of it afterwards."""

    __tablename__ = "releases"
    id: Mapped[int] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(String(40), index=True)
    release: Mapped[str] = mapped_column(String(80))
    deployed_at: Mapped[datetime]
    deployed_by: Mapped[str] = mapped_column(default="")
    verified_at: Mapped[datetime | None] = mapped_column(nullable=True)
    verdict: Mapped[str | None] = mapped_column(String(20), nullable=True)
    """pass, fail or inconclusive; null: never verified."""
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Hashes of what was live when it was verified, for instance `{"code:<function>": sha256}`."""


class AlarmRow(Base):
    """One alarm delivery. Stored before it is answered, dispatched once."""

    __tablename__ = "alarms"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    source: Mapped[str] = mapped_column(String(40))
    external_id: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[datetime] = mapped_column(index=True)
    occurred_at: Mapped[datetime | None] = mapped_column(nullable=True)
    name: Mapped[str] = mapped_column(default="")
    status: Mapped[str] = mapped_column(String(30), default="")
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)
    scenario: Mapped[str | None] = mapped_column(String(80), nullable=True)
    environment: Mapped[str | None] = mapped_column(String(40), nullable=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    incident_key: Mapped[str | None] = mapped_column(String(80), nullable=True, index=True)
    state: Mapped[str] = mapped_column(String(20), default="stored", index=True)
    """stored, dispatched, ignored or failed."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    flow_run_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    dispatched_at: Mapped[datetime | None] = mapped_column(nullable=True)
    error: Mapped[str] = mapped_column(default="")
    __table_args__ = (UniqueConstraint("source", "external_id", name="one_row_per_delivery"),)


class TimelineRow(Base):
    """One entry of an incident's hash-chained timeline."""

    __tablename__ = "timeline"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    fence: Mapped[int] = mapped_column(Integer, default=0)
    phase: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(30))
    """phase, finding, decision, guard, approval, step, undo, check, notice, escalation, resume or ending."""
    text: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    __table_args__ = (UniqueConstraint("incident_id", "number", name="one_entry_per_number"),)


class EscalationRow(Base):
    """One level of an incident's escalation: due, then sent or cancelled."""

    __tablename__ = "escalations"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    level: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(default="")
    due_at: Mapped[datetime]
    flow_run_id: Mapped[str | None] = mapped_column(String(40), nullable=True)
    sent_at: Mapped[datetime | None] = mapped_column(nullable=True)
    cancelled_at: Mapped[datetime | None] = mapped_column(nullable=True)
    __table_args__ = (UniqueConstraint("incident_id", "level", name="one_row_per_level"),)


class NoticeRow(Base):
    """One message to people: the intent before sending, the time after."""

    __tablename__ = "notices"
    id: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    """opening, closing, approval or page-<level>."""
    title: Mapped[str] = mapped_column(default="")
    intent_at: Mapped[datetime]
    sent_at: Mapped[datetime | None] = mapped_column(nullable=True)
    channels: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str] = mapped_column(default="")
    __table_args__ = (UniqueConstraint("incident_id", "kind", name="one_notice_per_kind"),)


class LeverRow(Base):
    """The stop lever: while it is on, nothing acts. One row per scope (`all` or an environment)."""

    __tablename__ = "levers"
    scope: Mapped[str] = mapped_column(String(40), primary_key=True)
    stopped_at: Mapped[datetime]
    stopped_by: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")


class ReadinessRow(Base):
    """Whether one scenario would work in one environment, since when, and who has heard of it."""

    __tablename__ = "readiness"
    environment: Mapped[str] = mapped_column(String(40), primary_key=True)
    scenario: Mapped[str] = mapped_column(String(80), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    """ready, not ready or unknown."""
    since: Mapped[datetime]
    checked_at: Mapped[datetime]
    reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    told_at: Mapped[datetime | None] = mapped_column(nullable=True)


class ReadinessSpanRow(Base):
    """A time in which one scenario was seen in the same state at every look."""

    __tablename__ = "readiness_spans"
    environment: Mapped[str] = mapped_column(String(40), primary_key=True)
    scenario: Mapped[str] = mapped_column(String(80), primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    looked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))


class NewestBackupRow(Base):
    """The newest backup of one environment that was made from here."""

    __tablename__ = "newest_backups"
    environment: Mapped[str] = mapped_column(String(40), primary_key=True)
    backup: Mapped[str] = mapped_column(String(80))
    began_at: Mapped[datetime]


class BlockedAccountRow(Base):
    """An AWS account in which no test may act any more."""

    __tablename__ = "blocked_accounts"
    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    blocked_at: Mapped[datetime]
    blocked_by: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
