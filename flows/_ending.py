"""How a run's ending is told: to the caller as an outcome, to the Prefect UI as a state with a name."""

from __future__ import annotations

from typing import Any, cast

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from ledger.cases import Case
from ledger.incidents import Opening, phase_seconds
from ledger.models import IncidentRow, PlanRow
from rules.errors import AlreadyHandled, BackstopError, RecoveryRefused
from rules.outcomes import EXIT_CODES, Ending, Outcome, Verification
from rules.plans import Plan


def flow_run_id() -> str | None:
    """The id of the Prefect flow run this code runs in, or None outside one."""
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else None


def stopped_by_a_person(error: BaseException) -> bool:
    """Whether a run's end from outside was meant: Ctrl-C, or a cancellation in the Prefect UI."""
    if isinstance(error, KeyboardInterrupt):
        return True
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(context.flow_run.id).state
    except Exception:  # noqa: BLE001 - a server that does not answer is no cancellation
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())


def outcome_of(case: Case, ending: Ending, reason: str, hint: str = "", report: str = "") -> Outcome:
    """The outcome of a case, read from the ledger."""
    with case.ledger.reading() as session:
        row = session.get_one(IncidentRow, case.incident_id)
        plan = session.get(PlanRow, row.plan_id) if row.plan_id else None
        return Outcome(
            incident=row.id,
            scenario=row.scenario,
            environment=row.environment,
            ending=ending,
            reason=reason,
            hint=hint,
            plan=Plan.model_validate(plan.body) if plan else None,
            verification=Verification.model_validate(row.verification) if row.verification else None,
            seconds=phase_seconds(session, case.incident_id),
            report=report,
        )


def left_open(case: Case, ending: Ending, error: BackstopError, so_far: str = "") -> Outcome:
    """The outcome of a run that could not close its incident; from memory where the ledger is away.

    `so_far` is the ending that could not be recorded.
    """
    reason = f"{so_far.rstrip('.')}. It could not be recorded: {error.message}" if so_far else error.message
    try:
        return outcome_of(case, ending, reason, error.hint)
    except RecoveryRefused:
        return Outcome(
            incident=case.incident_id,
            scenario=case.scenario,
            environment=case.environment,
            ending=ending,
            reason=reason,
            hint=error.hint,
        )


def without_incident(opening: Opening, error: BackstopError) -> Outcome:
    """The outcome of a run that could not open an incident."""
    ending = Ending.ALREADY_HANDLED if isinstance(error, AlreadyHandled) else Ending.REFUSED
    return Outcome(
        incident="",
        scenario=opening.scenario,
        environment=opening.environment,
        ending=ending,
        reason=error.message,
        hint=error.hint,
    )


def shown(outcome: Outcome) -> Outcome:
    """The outcome itself, or inside a flow run a Prefect state named after the ending that carries it.

    Prefect unpacks the state: a caller of the flow gets the outcome either way.
    """
    if FlowRunContext.get() is None:
        return outcome
    good = EXIT_CODES[outcome.ending] in (0, EXIT_CODES[Ending.ALREADY_HANDLED])
    message = f"{outcome.reason} {outcome.hint}".strip()
    state: Any = (Completed if good else Failed)(
        name=outcome.ending.value.capitalize(), message=message, data=outcome
    )
    return cast("Outcome", state)
