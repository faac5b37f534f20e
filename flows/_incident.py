"""The frame round every recovery: it owns the edges, so that no flow can forget one.

open       one incident per scenario and environment, with the environment's lease; or take a dead run's over
detect     whose account is this, and is anything broken; a resumed incident skips to its pinned plan
decide     rung by rung: the first one that has a way back gives the plan, which is pinned
guard      stop lever, freeze windows, approvals; a rehearsal ends here
snapshot   the state before, for the undo
act        every action journalled and fenced
verify     pass ends it; anything else: undo where that is better, then the next rung, else hold and page
report     written from the ledger, then the incident is closed and the lease given back
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from blocks.environment import Environment
from blocks.settings import settings
from flows import _ending
from flows._ladder import Request, Rung, Snapshot
from flows._phases import Phases
from ledger.cases import Case, current_case
from ledger.database import open_ledger
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from rules.errors import BackstopError, LeaseHeld
from rules.outcomes import Finding, Outcome
from tasks.kinds import say, scaled

__all__ = ["Request", "Rung", "Snapshot", "handle"]


def handle(
    scenario: str,
    environment: Environment,
    *,
    detect: Callable[[], Finding],
    ladder: Sequence[Rung],
    rehearse: bool = False,
    request: Request | None = None,
    budget_seconds: float = 300.0,
    parameters: dict[str, str] | None = None,
) -> Outcome:
    """Carry one incident from detection to its report, and say how it ended.

    It raises only when it is cancelled. `budget_seconds` is the runbook's promise for this scenario,
    `parameters` what was asked for beside the environment (for the report). Inside a flow run the returned
    value is a Prefect state that carries the outcome, so that the UI shows the ending by its name.
    """
    request = request or Request()
    opening = Opening(
        scenario=scenario,
        environment=environment.name,
        tier=environment.tier.value,
        budget_seconds=budget_seconds,
        rehearsal=rehearse,
        opened_by=request.requested_by,
        reason=request.reason,
        alarm_id=request.alarm or None,
        flow_run_id=_ending.flow_run_id(),
        parameters=dict(parameters or {}),
    )
    try:
        case = _opened(opening)
    except BackstopError as error:
        return _ending.shown(_ending.without_incident(opening, error))
    token = current_case.set(case)
    try:
        with case.kept_alive():
            return _ending.shown(Phases(case, environment, request, detect, ladder).carry_through())
    finally:
        current_case.reset(token)


def _opened(opening: Opening) -> Case:
    """Open the incident, waiting a bounded time for another scenario's incident in the same environment."""
    ledger = open_ledger()
    holder = this_process(opening.flow_run_id or "")
    give_up = time.monotonic() + scaled(settings().lease_wait_seconds)
    told = False
    while True:
        try:
            return open_case(ledger, opening, holder, settings().lease_seconds)
        except LeaseHeld as held:
            if time.monotonic() > give_up:
                raise
            if not told:
                say(f"Waiting: {held.message}")
                told = True
            time.sleep(scaled(1.0))
