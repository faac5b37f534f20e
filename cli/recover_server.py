"""Recovering through the Prefect server: ask for the run, watch it in the ledger, let it be when we go."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import select

from cli import endings
from cli.failures import INTERRUPTED
from cli.live import LOOK_SECONDS, Watching
from cli.prefect_api import PrefectApi, RunState
from cli.printing import console
from flows._catalogue import Scenario
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow
from rules.errors import NotRecovered
from rules.outcomes import Ending, Outcome

STATE_SECONDS = 2.0
"""How often the server is asked how the run stands; the ledger is read more often."""

TAKEOVER_SECONDS = 90.0
"""How long a run that died may stay without one that takes its incident over."""

SLOW_SECONDS = 10.0
"""After so long without an incident people are told that nothing picks the run up."""


def recover_there(
    scenario: Scenario,
    environment: str,
    parameters: dict[str, Any],
    *,
    rehearse: bool,
    request: dict[str, Any],
    as_json: bool = False,
) -> int:
    """Create a run of the scenario's deployment, show it until it ends, and return the exit code."""
    api, ledger = PrefectApi(), open_ledger()
    asked = parameters | {
        "environment": api.environment(environment),
        "rehearse": rehearse,
        "request": request,
    }
    deployment = api.deployment(f"{scenario.name}/{scenario.name}")
    run = api.start_run(deployment, asked, f"{environment} by {request['requested_by'] or 'nobody'}")
    watching = Watching(ledger, quiet=as_json)
    watching.say(f"Flow run {api.ui}/runs/flow-run/{run}")
    try:
        with watching:
            outcome = watch(api, ledger, watching, run, scenario.name, environment)
    except KeyboardInterrupt:
        incident = watching.story.incident
        console().print("\nDetached: the run goes on.")
        if incident:
            console().print(f"Watch it again: backstop show {incident.id} --follow")
        console().print(f"Cancel it: {api.ui}/runs/flow-run/{run}, or prefect flow-run cancel {run}")
        return INTERRUPTED
    promised = watching.story.incident.budget_seconds if watching.story.incident else None
    return endings.tell(outcome, promised=promised, as_json=as_json)


def watch(
    api: PrefectApi, ledger: Ledger, watching: Watching, run: str, scenario: str, environment: str
) -> Outcome:
    """Show a run's incident until it ends; when the run dies, wait for the one that takes over.

    Raises:
        NotRecovered: the run died and nobody took its incident over.
    """
    started = asked_at = time.monotonic()
    died_at: float | None = None
    told_slow = False
    while True:
        incident = incident_of(ledger, run) or (
            watching.story.incident.id if watching.story.incident else None
        )
        if incident and watching.look(incident):
            return endings.outcome_of(ledger, incident)
        if time.monotonic() - asked_at >= STATE_SECONDS:
            asked_at = time.monotonic()
            state = api.state(run)
            if not incident and state.is_over:
                incident = incident_of(ledger, run)  # it may have come between our two looks
                if not incident:
                    return _without_incident(state, scenario, environment)
            died_at = (died_at or asked_at) if state.is_over else None
            if not incident and not told_slow and asked_at - started > SLOW_SECONDS:
                told_slow = True
                watching.say(
                    f"The run is still {state.name.lower()}: is a responder running? `backstop doctor`"
                )
        if died_at and time.monotonic() - died_at > TAKEOVER_SECONDS:
            raise NotRecovered(
                f"The run ended, but {incident} is open and nobody has taken it over.",
                hint="Start the same recovery again: it goes on where this one stopped.",
            )
        time.sleep(LOOK_SECONDS)


def incident_of(ledger: Ledger, run: str) -> str | None:
    """The incident that a flow run works on, once it has opened it."""
    with ledger.reading() as session:
        return session.scalars(select(IncidentRow.id).where(IncidentRow.flow_run_id == run)).first()


def _without_incident(state: RunState, scenario: str, environment: str) -> Outcome:
    endings_by_name = {ending.value: ending for ending in Ending}
    ending = endings_by_name.get(state.name.lower(), Ending.NOT_RECOVERED)
    return Outcome(
        incident="",
        scenario=scenario,
        environment=environment,
        ending=ending,
        reason=state.message or f"the run ended as {state.name} without opening an incident",
        hint="" if state.name.lower() in endings_by_name else "Look at the run's log in the Prefect UI.",
    )
