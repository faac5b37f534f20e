"""What was deployed where, and what verification said of it: the memory behind every rollback target."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.models import ReleaseRow
from rules.outcomes import Verdict


def record_deployment(
    session: Session,
    environment: str,
    release: str,
    at: datetime,
    by: str = "",
    evidence: dict[str, Any] | None = None,
) -> ReleaseRow:
    """Write that a release was deployed. It is not known-good by this."""
    row = ReleaseRow(
        environment=environment, release=release, deployed_at=at, deployed_by=by, evidence=evidence or {}
    )
    session.add(row)
    session.flush()
    return row


def record_verdict(
    session: Session, row: ReleaseRow, verdict: Verdict, at: datetime, evidence: dict[str, Any] | None = None
) -> None:
    """Write what a verification after the deployment said."""
    row.verdict, row.verified_at = verdict.value, at
    row.evidence = {**row.evidence, **(evidence or {})}


def history(session: Session, environment: str) -> list[ReleaseRow]:
    """Every recorded deployment of an environment, newest first."""
    wanted = select(ReleaseRow).where(ReleaseRow.environment == environment)
    return list(session.scalars(wanted.order_by(ReleaseRow.deployed_at.desc(), ReleaseRow.id.desc())))


def latest(session: Session, environment: str, release: str) -> ReleaseRow | None:
    """The newest deployment of one release, if it was ever deployed there."""
    return next((row for row in history(session, environment) if row.release == release), None)
