"""Checks of what runs: the Prefect server and its scheduler, the responder, the webhook receiver."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

import httpx

from cli.checkup import Check, Result, check, failed, passed, warned
from cli.failures import Unready
from cli.prefect_api import PrefectApi
from cli.running import webhook_address
from flows._catalogue import scenarios

SCHEDULER_SECONDS = 20.0
"""Prefect looks for new schedules every five seconds."""

RESPONDER_SECONDS = 60.0
"""A responder gives a sign of life every 15 seconds."""

PROBE = "backstop-doctor"


@check("Prefect server")
def server() -> Iterable[Result]:
    """Whether the server answers, has our version, and schedules what has a schedule."""
    api = PrefectApi()
    try:
        seen = str(api.get("/admin/version"))
    except Unready as error:
        yield failed("Prefect server", error.message, f"{error.hint}")
        return
    installed = version("prefect")
    if seen == installed:
        yield passed("Prefect server", f"{api.address}, version {seen}")
    else:
        yield warned(
            "Prefect server", f"{api.address} has version {seen}, here is {installed}", "Use one version."
        )
    yield from _deployments(api)
    yield _scheduler(api)


def _deployments(api: PrefectApi) -> Iterable[Result]:
    """Whether every scenario has its deployment, and whether somebody serves them."""
    wanted = {scenario.name for scenario in scenarios()}
    registered = api.post(
        "/deployments/filter", {"deployments": {"tags": {"all_": ["backstop"]}}, "limit": 200}
    )
    missing = sorted(wanted - {str(deployment["name"]) for deployment in registered})
    if missing:
        yield failed("deployments", f"missing: {', '.join(missing)}", "Register them: backstop apply.")
    else:
        yield passed("deployments", f"all {len(wanted)} scenarios are registered")
    signs = [datetime.fromisoformat(d["last_polled"]) for d in registered if d.get("last_polled")]
    age = (datetime.now(UTC) - max(signs)).total_seconds() if signs else None
    if age is None or age > RESPONDER_SECONDS:
        said = "no sign of life" if age is None else f"last sign of life {age:.0f} s ago"
        yield failed("responder", said, "Start it: backstop up, or python -m deployments.responder.")
    else:
        yield passed("responder", f"last sign of life {age:.0f} s ago")


def _scheduler(api: PrefectApi) -> Result:
    """Whether a deployment with a cron schedule gets a run: a wrong SQLAlchemy silently prevents that."""
    started = time.monotonic()
    flow = api.post("/flows/", {"name": PROBE})
    cron = {"schedule": {"cron": "0 4 1 1 *", "timezone": "UTC"}, "active": True}
    deployment = api.post("/deployments/", {"name": PROBE, "flow_id": flow["id"], "schedules": [cron]})
    wanted = {"deployments": {"id": {"any_": [deployment["id"]]}}, "limit": 1}
    try:
        while time.monotonic() - started < SCHEDULER_SECONDS:
            if api.post("/flow_runs/filter", wanted):
                took = time.monotonic() - started
                return passed("scheduler", f"a cron deployment had its run after {took:.1f} s")
            time.sleep(0.25)
    finally:
        api.delete(f"/deployments/{deployment['id']}")
        api.delete(f"/flows/{flow['id']}")
    return failed(
        "scheduler",
        f"a cron deployment got no run within {SCHEDULER_SECONDS:.0f} s",
        "Look for InvalidRequestError in the server's log: sqlalchemy must be below 2.1.",
    )


@check("webhook receiver")
def receiver() -> Iterable[Result]:
    """Whether the receiver answers, and what it says of itself."""
    address = webhook_address()
    try:
        answer = httpx.get(f"{address}/health", timeout=5)
    except httpx.HTTPError as error:
        said = f"{address} does not answer ({type(error).__name__})"
        yield warned("webhook receiver", said, "Alarms do not come in. Start it: backstop up.")
        return
    if answer.is_success:
        yield passed("webhook receiver", f"{address} answers")
    else:
        yield failed(
            "webhook receiver", f"{address} says {answer.status_code}: {answer.text[:200]}", "See its log."
        )


CHECKS: tuple[Check, ...] = (server, receiver)
