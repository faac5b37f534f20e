"""`backstop drill`: past drills, and starting one."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from cli.failures import INTERRUPTED
from cli.names import environment_name
from cli.options import AsJson, EnvironmentFilter, command
from cli.printing import clock, coloured, console, print_json, table
from cli.running import prefect_address

if TYPE_CHECKING:
    from ledger.drill_rows import DrillRow

LOOK_SECONDS = 1.0
STATE_SECONDS = 5.0
EXITS = {"pass": 0, "inconclusive": 3, "fail": 4}

app = command(
    "drill",
    "drill",
    "drill --environment preprod --json",
    "drill start preprod --rehearse",
    "drill start preprod --fault broken-release",
    exits="0 done, or it passed · 1 unexpected error · 2 wrong command line · 3 refused or inconclusive · 4 it failed",
)


@app.default
def listed(
    *,
    environment: EnvironmentFilter = None,
    most: Annotated[int, Parameter(name=["--most", "-n"], validator=Number(gte=1, lte=10_000))] = 20,
    as_json: AsJson = False,
) -> int:
    """List drills, newest first.

    Args:
        environment: Only this environment.
        most: How many at most.
        as_json: Print JSON.
    """
    from ledger import drills
    from ledger.database import open_ledger

    with open_ledger().reading() as session:
        rows = drills.listed(session, environment=environment, most=most)
    if as_json:
        print_json([_data(row) for row in rows])
    elif not rows:
        console().print("There was no drill yet.")
    else:
        columns = ("began (UTC)", "drill", "environment", "fault", "scenario", "grade", "why")
        table("", columns, [_line(row) for row in rows])
    return 0


@app.command
def start(
    environment: str,
    *,
    scenario: str = "",
    fault: str = "",
    emergency: bool = False,
    rehearse: bool = False,
    approved_by: str = "",
    requested_by: str = "",
    as_json: AsJson = False,
) -> int:
    """Break an environment on purpose, as its file allows, and watch it recover; or rehearse that.

    Args:
        environment: Where.
        scenario: What is drilled; without it, whatever was drilled longest ago.
        fault: How it is broken, for instance `broken-release`.
        emergency: Of the emergency paths.
        rehearse: Only say what would be done; nothing is changed.
        approved_by: In production: who agreed.
        requested_by: Your name.
        as_json: Print JSON.
    """
    name = environment_name(environment)
    asked: dict[str, Any] = {"scenario": scenario, "fault": fault or None, "emergency": emergency}
    if rehearse:
        return _rehearsed(name, asked, as_json=as_json)
    from cli.prefect_api import PrefectApi

    api = PrefectApi()
    told = asked | {"environment": api.environment(name), "approved_by": approved_by}
    told["requested_by"] = requested_by
    run = api.start_run(api.deployment("rollback-drill/rollback-drill"), told, f"drill in {name}")
    if not as_json:
        console().print(f"Flow run {api.ui}/runs/flow-run/{run}")
    try:
        row, state = _watched(api, run)
    except KeyboardInterrupt:
        console().print("\nDetached: the drill goes on. `backstop drill` lists it.")
        return INTERRUPTED
    if row is None:
        console().print(f"{coloured('refused')}: {state}")
        return EXITS["inconclusive"]
    if as_json:
        print_json(_data(row))
    else:
        console().print(f"{coloured(row.grade or '')}: {'; '.join(_reasons(row))}")
    return EXITS[row.grade or "inconclusive"]


def _rehearsed(name: str, asked: dict[str, Any], *, as_json: bool) -> int:
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    os.environ.setdefault("PREFECT_API_URL", prefect_address())  # whose alarms would start the recovery
    from cli.failures import WrongUsage
    from deployments.environments import load_environment
    from flows.rollback_drill import rollback_drill
    from rules.drills import FaultName

    try:
        fault = FaultName(asked["fault"]) if asked["fault"] else None
    except ValueError as error:
        raise WrongUsage(
            f"There is no fault {asked['fault']!r}.", hint=f"Faults: {', '.join(FaultName)}."
        ) from error
    done = rollback_drill.fn(load_environment(name), **(asked | {"fault": fault}), rehearse=True)
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        for reason in done.reasons:
            console().print(reason)
    return 0


def _watched(api: Any, run: str) -> tuple[DrillRow | None, str]:
    """The drill of a flow run once it has ended, or how the run ended without one."""
    from ledger import drills
    from ledger.database import open_ledger

    ledger, asked_at = open_ledger(), 0.0
    while True:
        with ledger.reading() as session:
            row = drills.of_run(session, run)
        if row is not None and row.ended_at is not None:
            return row, ""
        if time.monotonic() - asked_at >= STATE_SECONDS:
            asked_at, state = time.monotonic(), api.state(run)
            if state.is_over and row is None:
                return None, state.message or state.name
        time.sleep(LOOK_SECONDS)


def _reasons(row: DrillRow) -> list[str]:
    return [str(reason) for reason in row.reasons.get("reasons", ())]


def _line(row: DrillRow) -> tuple[str, ...]:
    told = (row.id, row.environment, row.fault, row.scenario)
    return (clock(row.began_at), *told, coloured(row.grade or "open"), "; ".join(_reasons(row)))


def _data(row: DrillRow) -> dict[str, Any]:
    return {
        "drill": row.id,
        "environment": row.environment,
        "scenario": row.scenario,
        "fault": row.fault,
        "emergency": row.emergency,
        "grade": row.grade,
        "reasons": _reasons(row),
        "incident": row.incident_id,
        "began_at": row.began_at,
        "fault_at": row.injected_at,
        "undone_at": row.undone_at,
        "ended_at": row.ended_at,
        "fault_may_be_there": row.intent_at is not None and row.undone_at is None,
    }
