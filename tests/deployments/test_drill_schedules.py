"""When drills run by the clock, as a real server schedules them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId

from blocks.environment import Environment
from deployments.apply import apply_deployments, specification
from deployments.prefect_yaml import read_prefect_yaml
from deployments.register import register
from deployments.schedules import schedule_each
from rules.severity import Tier
from tests.switchboard import make_environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]

PARIS = ZoneInfo("Europe/Paris")
OURS = "drill-schedules"
ALLOWED = [{"fault": "broken-release"}, {"fault": "held-lock", "alarm": "locked", "emergency": True}]
WINDOW = {"start": "10:30", "end": "16:00", "weekdays": ["mon", "wed"]}
DRILLED = {"allowed": ALLOWED, "window": WINDOW, "timezone": "Europe/Paris", "production": True}


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """A client of the session's server, which knows the environments until the test ends."""
    with get_client(sync_client=True) as found:
        yield found
        apply_deployments(found, {}, ours=OURS)
        register(found, [], note=OURS)


def applied(client: SyncPrefectClient, *environments: Environment) -> str:
    """Apply the shipped drill deployment for these environments; its name."""
    register(client, list(environments), note=OURS)
    entries = [entry for entry in read_prefect_yaml().deployments if entry.name == "rollback-drill"]
    [(name, spec)] = [specification(entry) for entry in entries]
    schedule_each(client, wanted := {name: spec}, entries, environments)
    apply_deployments(client, {each: {**told, "tags": [OURS]} for each, told in wanted.items()}, ours=OURS)
    return name


def local_times(client: SyncPrefectClient, name: str, since: datetime, days: int) -> dict[str, list[str]]:
    """What the server schedules from then on: the local times of its runs, by what they are asked for."""
    deployment = client.read_deployment_by_name(name)
    asked = {
        "start_time": since.isoformat(),
        "end_time": (since + timedelta(days=days)).isoformat(),
        "min_runs": 60,
        "max_runs": 60,
    }
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment.id}, json=asked)
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]))
    found: dict[str, list[str]] = {}
    for run in client.read_flow_runs(flow_run_filter=wanted, limit=200):
        at = run.expected_start_time
        if at is None or not since <= at < since + timedelta(days=days):
            continue
        what = "rehearsal" if run.parameters.get("rehearse") else "drill"
        what = "emergency" if run.parameters.get("emergency") else what
        found.setdefault(what, []).append(f"{at.astimezone(PARIS):%a %d %b %H:%M}")
    return {what: sorted(times, key=lambda told: told[4:]) for what, times in found.items()}


@pytest.mark.parametrize(
    ("since", "first", "second"),
    [
        (datetime(2027, 3, 1, tzinfo=UTC), ["Mon 01 Mar 10:30"], ["Mon 05 Apr 10:30"]),
        (datetime(2027, 10, 1, tzinfo=UTC), ["Mon 04 Oct 10:30"], ["Mon 01 Nov 10:30"]),
    ],
    ids=["into summer", "into winter"],
)
def test_drills_keep_their_local_time_across_a_change_of_the_clocks(
    client: SyncPrefectClient, since: datetime, first: list[str], second: list[str]
) -> None:
    """Before and after it, the monthly drill begins with the window, and the rehearsal a quarter of an hour later."""
    name = applied(client, make_environment("drilled-staging", drills=DRILLED))

    before, after = (local_times(client, name, begin, 31) for begin in (since, since + timedelta(days=31)))

    assert before["drill"] == first
    assert after["drill"] == second
    rehearsed = [*before["rehearsal"], *after["rehearsal"]]
    assert len(rehearsed) >= 8
    assert {told[:3] + told[-6:] for told in rehearsed} == {"Wed 10:45"}


def test_the_emergency_paths_are_drilled_every_quarter(client: SyncPrefectClient) -> None:
    """In the second week of its first month, apart from the others."""
    name = applied(client, make_environment("drilled-staging", drills=DRILLED))

    found = local_times(client, name, datetime(2027, 1, 1, tzinfo=UTC), 100)

    assert found["emergency"] == ["Mon 11 Jan 10:30"]


def test_only_environments_that_allow_it_are_drilled_by_the_clock(client: SyncPrefectClient) -> None:
    """One that says nothing has no schedule, nor has production; the second of two begins half an hour later."""
    others: dict[str, Any] = {"drills": {**DRILLED, "allowed": ALLOWED[:1]}}
    name = applied(
        client,
        make_environment("drilled-none"),
        make_environment("drilled-production", Tier.PRODUCTION, drills=DRILLED),
        make_environment("drilled-qa", Tier.QA, **others),
        make_environment("drilled-staging", drills=DRILLED),
    )

    there: dict[str | None, Any] = {
        each.slug: each.schedule for each in client.read_deployment_by_name(name).schedules
    }

    assert {slug: (each.cron, each.timezone) for slug, each in there.items()} == {
        "monthly-drilled-qa": ("30 10 * * mon#1", "Europe/Paris"),
        "monthly-drilled-staging": ("0 11 * * mon#1", "Europe/Paris"),
        "weekly-rehearsal-drilled-staging": ("45 10 * * wed", "Europe/Paris"),
        "quarterly-emergency-drilled-staging": ("30 10 * 1,4,7,10 mon#2", "Europe/Paris"),
    }
