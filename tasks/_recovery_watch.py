"""Backups are neither made nor let go while a recovery changes the environment."""

from __future__ import annotations

from blocks.environment import Environment
from ledger import leases
from ledger.cases import current_case, now
from ledger.database import open_ledger
from rules.errors import LeaseHeld


def refuse_during_recovery(environment: Environment, what: str, fence: int | None = None) -> int:
    """Refuse while another incident acts, or when one has acted since `fence`.

    The incident that acts may do it itself. Returns the fencing number.

    Raises:
        LeaseHeld: an incident acts; the error begins with `what` was not done.
    """
    case = current_case.get()
    with open_ledger().reading() as session:
        now_fence, incident = leases.look(session, environment.name, now())
    ours = case is not None and case.incident_id == incident
    if (incident and not ours) or (fence is not None and now_fence != fence):
        raise LeaseHeld(
            f"{what}: {incident or 'an incident'} is changing {environment.name}.",
            hint="Wait until it is closed: `backstop incidents --open`.",
        )
    return now_fence
