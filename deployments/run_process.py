"""The process of one flow run: warmed up beforehand, told which run it is, gone afterwards.

It is forked from a server process that has every flow imported and runs no thread.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import signal
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from prefect import Flow
from prefect._internal import control_listener
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import SyncClientContext
from prefect.exceptions import Abort, Pause, TerminationSignal
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Failed

from deployments.lifeline import CANCEL
from rules.errors import BackstopError, RecoveryRefused
from rules.values import Frozen

log = logging.getLogger("backstop.run")


class ErrorsAsSentences(logging.Filter):
    """An error of ours says what is wrong and what to do: its run's page shows that, and no traceback above it.

    One that another error caused keeps its traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Say the error in place of Prefect's `Encountered exception`; let everything pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, BackstopError) and error.__cause__ is None:
            begins = "Refused: " if isinstance(error, RecoveryRefused) else ""
            hint = f"\nHint: {error.hint}" if error.hint else ""
            record.msg, record.args, record.exc_info = f"{begins}{error.message}{hint}", (), None
        return True


class Assignment(Frozen):
    """What to run: the flow run as the server knows it, and where its flow's code is."""

    run: FlowRun
    entrypoint: str


def serve(mailbox: Connection) -> None:
    """Wait for an assignment and carry it out; without one, end when the responder does."""
    os.setsid()  # Ctrl-C in a terminal is the responder's affair
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(CANCEL, _cancelled)
    # Off: liveness is watched from outside, and a heartbeat costs each synchronous flow a second at its end.
    # (No environment variable can say so: an empty one breaks Prefect, and the smallest number is 30.)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), ExitStack() as warm:
        with suppress(
            RuntimeError, OSError
        ):  # the server is away; that matters when there is something to run
            warm.enter_context(SyncClientContext.get_or_create())
        try:
            assignment = Assignment.model_validate_json(mailbox.recv_bytes())
        except EOFError:
            return
        finally:
            mailbox.close()
        with SyncClientContext.get_or_create() as context:
            _carry_out(assignment, context.client)


def load(entrypoint: str) -> Flow[..., Any]:
    """The flow at a module path such as `flows.canary_failure.recover`.

    Raises:
        RecoveryRefused: there is none, or its module cannot be imported.
    """
    module_name, _, name = entrypoint.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecoveryRefused(
            f"There is no flow at `{entrypoint}`: {error}.",
            hint="Run `python -m deployments.apply`, and restart the responder after an update.",
        ) from error
    if not isinstance(found, Flow):
        raise RecoveryRefused(f"`{entrypoint}` is not a flow.", hint="Name the decorated function.")
    return found


def refuse_bad_names(flow: Flow[..., Any], given: dict[str, Any]) -> None:
    """Check the names of the parameters; their values are checked by the flow's own types.

    Prefect accepts unknown names when a run is made and crashes without a reason when it runs.

    Raises:
        RecoveryRefused: a parameter is unknown, or a required one is missing.
    """
    known = inspect.signature(flow.fn).parameters
    unknown = sorted(set(given) - set(known))
    missing = [name for name, one in known.items() if one.default is one.empty and name not in given]
    if unknown:
        raise RecoveryRefused(
            f"`{flow.name}` has no parameter {', '.join(f'`{name}`' for name in unknown)}.",
            hint=f"It has: {', '.join(f'`{name}`' for name in known)}.",
        )
    if missing:
        raise RecoveryRefused(
            f"`{flow.name}` needs {', '.join(f'`{name}`' for name in missing)}.",
            hint="Fill in the form again.",
        )


def _carry_out(assignment: Assignment, client: SyncPrefectClient) -> None:
    run = assignment.run
    try:
        flow = load(assignment.entrypoint)
        refuse_bad_names(flow, run.parameters)
    except RecoveryRefused as refusal:
        log.error("%s", refusal)  # noqa: TRY400 - the sentence says it all
        client.set_flow_run_state(run.id, Failed(message=str(refusal)), force=True)
        return
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(ErrorsAsSentences())
    try:
        ended = run_flow(flow, flow_run=run, parameters=run.parameters, return_type="state")
    except (Abort, Pause, TerminationSignal):
        log.info("Run %s was stopped or suspended.", run.id)  # its state says so already
        return
    if isinstance(ended, State) and ended.is_failed():
        _name_refusal(client, run, ended.result(raise_on_failure=False))


def _name_refusal(client: SyncPrefectClient, run: FlowRun, error: object) -> None:
    """Nothing broke: whoever looks down a list of runs must not take a refusal for a failure."""
    if isinstance(error, RecoveryRefused):
        client.set_flow_run_state(run.id, Failed(name="Refused", message=str(error)), force=True)


def _cancelled(_signal: int, _frame: FrameType | None) -> None:
    """End the flow where it stands, by way of its own clean-up, as Cancelled."""
    intend = getattr(control_listener, "_set_intent", None)
    if intend is not None:  # else the engine says Crashed for a moment, and the responder corrects it
        intend("cancel")
    signal.raise_signal(signal.SIGTERM)
