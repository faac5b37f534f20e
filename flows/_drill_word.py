"""The word of a person, where no alarm can tell of a fault: the drill says it, and takes it back with the fault."""

from __future__ import annotations

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from blocks.environment import Environment
from flows._ladder import Request
from flows._prefect_server import prefect_server
from flows._run_requests import ask_for_run
from ledger.database import open_ledger
from ledger.drill_rows import DrillRow
from rules.drills import FAULT_KINDS, FaultName
from rules.errors import RecoveryRefused, StepFailed
from tasks.drill_faults import word_for
from tasks.kinds import say


def needs_word(drill: str) -> bool:
    """Whether no alarm tells of the drill's fault."""
    return FAULT_KINDS[FaultName(_row(drill).fault)].by_word


def unasked_for(scenario: str) -> str:
    """Why nobody could be asked for a scenario's recovery; empty: the server has it."""
    with prefect_server() as client:
        if client is None:
            return "no Prefect server is known that could run the recovery"
        try:
            client.read_deployment_by_name(f"{scenario}/{scenario}")
        except ObjectNotFound:
            return f"the deployment {scenario} is not registered: `backstop apply`"
        except Exception as error:  # noqa: BLE001 - whatever keeps the server from answering
            return f"the Prefect server does not answer: {type(error).__name__}"
    return ""


def ask(environment: Environment, drill: str) -> bool:
    """Ask for the recovery, once, whoever asks again; false: it is too early, or the server does not answer now.

    Raises:
        RecoveryRefused: the server refuses it for good.
    """
    row = _row(drill)
    word = word_for(environment, row.fault, row.note)
    if word is None:
        return False
    request = Request(requested_by=drill, reason=f"the drill {drill} has damaged it")
    parameters = {**word, "request": request.model_dump(mode="json")}
    try:
        with prefect_server() as client:
            if client is None:
                return False
            run = ask_for_run(client, row.scenario, environment.name, parameters, drill, ("drill",))
    except RecoveryRefused:
        raise
    except Exception as error:  # noqa: BLE001 - whatever keeps the server from answering: it is asked again
        say(f"The recovery could not be asked for yet: {error}")
        return False
    say(f"Asked for {row.scenario}, as a person would: the run {run.name}.")
    return True


def take_word_back(drill: str) -> None:
    """Cancel the run that the drill asked for if it has not begun: what it was asked to mend is mended.

    Raises:
        StepFailed: the server does not say whether there is one.
    """
    if not needs_word(drill):
        return
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[drill]))
    try:
        with prefect_server() as client:
            if client is None:
                return
            for run in client.read_flow_runs(flow_run_filter=wanted):
                if run.state and not (
                    run.state.is_final() or run.state.is_running() or run.state.is_paused()
                ):
                    client.set_flow_run_state(run.id, Cancelled(message=f"{drill} is over"), force=True)
                    say(f"The run {run.name} is not needed any more: cancelled.")
    except Exception as error:
        raise StepFailed(
            f"Whether {drill} has asked for a recovery that has not begun cannot be looked up.",
            hint="It is tried again once the Prefect server answers. Cancel it by hand before it restores anything.",
        ) from error


def _row(drill: str) -> DrillRow:
    with open_ledger().reading() as session:
        return session.get_one(DrillRow, drill)
