"""Recovering with no Prefect server, as from a laptop at 3 a.m.: the flow's own function, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import Any, cast

from sqlalchemy import select

from cli import endings
from cli.failures import INTERRUPTED, WrongUsage
from cli.live import LOOK_SECONDS, Watching
from flows._catalogue import Scenario
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow, LeaseRow
from rules.outcomes import Outcome


def recover_here(
    scenario: Scenario,
    environment: str,
    parameters: dict[str, Any],
    *,
    rehearse: bool,
    request: dict[str, Any],
    as_json: bool = False,
) -> int:
    """Run the scenario in this process, show it, and return the exit code."""
    ledger = open_ledger()
    watching = Watching(ledger, quiet=as_json)
    watching.say(f"{scenario.name} in {environment}, in this process, without a Prefect server")
    call = _prepared(scenario, environment, parameters, rehearse=rehearse, request=request)
    with watching, _watched(ledger, watching, scenario.name, environment), _cancellable(watching) as stopping:
        try:
            outcome = call()
        except (asyncio.CancelledError, KeyboardInterrupt):
            if not stopping.is_set():
                raise
            outcome = None
    if outcome is None:
        incident = watching.story.incident
        if incident and incident.closed_at:
            endings.tell(endings.outcome_of(ledger, incident.id), as_json=as_json)
        elif incident:
            watching.say(
                f"{incident.id} stays open. The same recovery, started again, goes on where this one stopped."
            )
        return INTERRUPTED
    promised = watching.story.incident.budget_seconds if watching.story.incident else None
    return endings.tell(outcome, promised=promised, as_json=as_json)


class _Call:
    """The flow's function with its arguments, checked as Prefect would check them."""

    def __init__(self, flow: Any, arguments: dict[str, Any]) -> None:
        self._flow, self._arguments = flow, arguments

    def __call__(self) -> Outcome | None:
        return cast("Outcome", self._flow.fn(**self._arguments))


def _prepared(
    scenario: Scenario,
    environment: str,
    parameters: dict[str, Any],
    *,
    rehearse: bool,
    request: dict[str, Any],
) -> _Call:
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    from prefect.exceptions import ParameterTypeError
    from pydantic import ValidationError

    from deployments.environments import load_environment
    from flows._incident import Request

    flow = importlib.import_module(scenario.module).recover
    arguments: dict[str, Any] = parameters | {
        "environment": load_environment(environment),
        "rehearse": rehearse,
    }
    try:
        arguments["request"] = Request.model_validate(request)
        checked = flow.validate_parameters(arguments)
    except (ParameterTypeError, ValidationError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise WrongUsage(
            f"{scenario.name} does not take that: {' '.join(lines[:3])[:300]}",
            hint=f"`backstop scenarios {scenario.name}` shows its parameters.",
        ) from error
    return _Call(flow, arguments | checked)


@contextlib.contextmanager
def _watched(ledger: Ledger, watching: Watching, scenario: str, environment: str) -> Iterator[None]:
    """Show this process's incident from another thread: the flow's time limits need the main one."""
    started, over = datetime.now(UTC), threading.Event()

    def follow() -> None:
        incident: str | None = None
        while True:
            last = over.is_set()
            incident = incident or _ours(ledger, scenario, environment, started)
            if incident:
                watching.look(incident)
            if last:
                return
            over.wait(LOOK_SECONDS)

    log = _Lines(watching)
    logger = logging.getLogger("backstop")
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    thread = threading.Thread(target=follow, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)
        logger.removeHandler(log)


def _ours(ledger: Ledger, scenario: str, environment: str, since: datetime) -> str | None:
    """The incident of this process: it holds the environment's lease, or is a rehearsal opened just now."""
    with ledger.reading() as session:
        lease = session.get(LeaseRow, environment)
        if lease and lease.holder and lease.holder.get("pid") == os.getpid():
            return lease.incident_id
        wanted = (
            select(IncidentRow.id)
            .where(
                IncidentRow.scenario == scenario,
                IncidentRow.environment == environment,
                IncidentRow.opened_at >= since,
                IncidentRow.flow_run_id.is_(None),
            )
            .order_by(IncidentRow.opened_at)
        )
        return session.scalars(wanted).first()


@contextlib.contextmanager
def _cancellable(watching: Watching) -> Iterator[threading.Event]:
    """Ctrl-C closes the incident; SIGTERM, as when the machine goes down, leaves it open to be taken up again.

    The frame tells the two apart by what is raised. The third signal ends this process where it is.
    """
    stopping = threading.Event()
    presses = 0

    def pressed(number: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses == 1:
            stopping.set()
            watching.say("Stopping. Press Ctrl-C twice more to stop right here.")
            raise KeyboardInterrupt if number == signal.SIGINT else asyncio.CancelledError
        if presses == 2:
            watching.say("Still stopping. Once more stops right here and leaves the environment as it is.")
        else:
            os._exit(INTERRUPTED)

    before = {number: signal.signal(number, pressed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines(logging.Handler):
    """The flow's own progress lines, above the picture."""

    def __init__(self, watching: Watching) -> None:
        super().__init__(logging.INFO)
        self._watching = watching

    def emit(self, record: logging.LogRecord) -> None:
        """Show one line."""
        self._watching.say(f"             {record.getMessage()}")
