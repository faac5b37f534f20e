"""The right to change one environment: one holder at a time, with a fencing number that only grows."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import bindparam, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ledger.holders import Holder, is_dead
from ledger.models import LeaseRow
from ledger.tables import table_of
from rules.errors import LeaseHeld, LeaseLost

_LEASES = table_of(LeaseRow)
_RENEW = (
    update(_LEASES)
    .where(
        _LEASES.c.environment == bindparam("of"),
        _LEASES.c.fence == bindparam("with_fence"),
        _LEASES.c.incident_id.is_not(None),
    )
    .values(expires_at=bindparam("until"))
    .returning(_LEASES.c.fence)
)


def acquire(
    session: Session, environment: str, incident_id: str, holder: Holder, now: datetime, seconds: float
) -> int:
    """Take the environment's lease and return its new fencing number.

    A lease can be taken when it is free, has run out, or its holder is proven dead on this host.

    Raises:
        LeaseHeld: somebody else holds it; says who and until when.
    """
    row = locked_row(session, environment)
    if is_alive(row, now):
        raise LeaseHeld(
            f"{environment} is held by {Holder.model_validate(row.holder)} for incident {row.incident_id} "
            f"until {row.expires_at:%H:%M:%S} UTC at least.",
            hint="Wait for it, or look at it with `backstop show`.",
        )
    row.fence += 1
    row.incident_id = incident_id
    row.holder = holder.model_dump()
    row.acquired_at = now
    row.expires_at = now + timedelta(seconds=seconds)
    return row.fence


def check_and_renew(session: Session, environment: str, fence: int, now: datetime, seconds: float) -> None:
    """Prove that the lease with this fencing number is still ours, and extend it.

    A lease that ran out but that nobody took is still ours.

    Raises:
        LeaseLost: somebody took over.
    """
    # One statement proves, locks and extends: this runs before and after every action.
    told = {"of": environment, "with_fence": fence, "until": now + timedelta(seconds=seconds)}
    renewed = session.execute(_RENEW, told).first()
    if renewed is None:
        raise LeaseLost(
            f"The lease of {environment} (fencing number {fence}) was taken over: "
            f"it is at {locked_row(session, environment).fence} now.",
            hint="Another run has taken this incident up; this one has stopped and changes nothing more.",
        )


def release(session: Session, environment: str, fence: int) -> None:
    """Give the lease back; does nothing when it is no longer ours."""
    row = locked_row(session, environment)
    if row.fence == fence:
        row.incident_id = row.holder = row.expires_at = None


def look(session: Session, environment: str, now: datetime) -> tuple[int, str]:
    """The environment's fencing number, and the incident that holds its lease now; empty: none does."""
    row = session.get(LeaseRow, environment)
    if row is None:
        return 0, ""
    return row.fence, (row.incident_id or "") if is_alive(row, now) else ""


def is_alive(row: LeaseRow | None, now: datetime) -> bool:
    """Whether a lease is held by somebody who is not proven dead."""
    if row is None or row.incident_id is None or row.holder is None or row.expires_at is None:
        return False
    dead = is_dead(Holder.model_validate(row.holder))
    return dead is not True and row.expires_at > now


def locked_row(session: Session, environment: str) -> LeaseRow:
    """The environment's lease row, locked until the transaction ends; made when there is none."""
    row = session.get(LeaseRow, environment, with_for_update=True, populate_existing=True)
    if row is None:
        try:
            with session.begin_nested():
                session.add(LeaseRow(environment=environment, fence=0))
        except IntegrityError:
            pass  # somebody made it in the same moment: theirs is read below
        row = session.get_one(LeaseRow, environment, with_for_update=True, populate_existing=True)
    return row
