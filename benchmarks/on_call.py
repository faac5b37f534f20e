"""Two people on call who agree to every plan that waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.practice import meanwhile

PEOPLE = ("Ada", "Grace")
_LOOK_SECONDS = 0.5


@contextmanager
def agreeing() -> Iterator[None]:
    """Let both answer each plan of this process's ledger, as with `backstop approve`."""
    with meanwhile(_agree, _LOOK_SECONDS):
        yield


def _agree() -> None:
    from sqlalchemy import select

    from ledger import approvals
    from ledger.cases import now
    from ledger.database import open_ledger
    from ledger.models import IncidentRow, PlanRow
    from rules.approvals import Answer, Decision
    from rules.errors import RecoveryRefused
    from rules.outcomes import Phase

    ledger = open_ledger()
    wanted = select(PlanRow).join(IncidentRow, IncidentRow.plan_id == PlanRow.id)
    wanted = wanted.where(IncidentRow.closed_at.is_(None), IncidentRow.phase == Phase.GUARD.value)
    with ledger.reading() as session:
        waiting = [(plan.incident_id, plan.digest) for plan in session.scalars(wanted)]
    for incident, digest in waiting:
        for person in PEOPLE:
            with suppress(RecoveryRefused), ledger.session("an answer") as session:
                answer = Answer(decision=Decision.APPROVE, approver=person, comment="in a benchmark")
                approvals.give(session, incident, digest, answer, now())
