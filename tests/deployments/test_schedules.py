"""What runs by the clock, when: as a real server schedules it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun

from blocks.environment import Environment
from deployments.apply import apply_deployments, specification
from deployments.environments import load_environment
from deployments.prefect_yaml import read_prefect_yaml
from deployments.register import register
from deployments.schedules import schedule_each
from rules.severity import Tier
from tests.switchboard import make_environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]

PARIS = ZoneInfo("Europe/Paris")
OURS = "shipped-schedules"
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


def applied(client: SyncPrefectClient, *environments: Environment, only: str = "") -> list[str]:
    """Apply the shipped deployments that run by the clock, for these environments; their full names."""
    register(client, list(environments), note=OURS)
    entries = [
        entry
        for entry in read_prefect_yaml().deployments
        if (entry.schedules or entry.schedule_each) and only in ("", entry.name)
    ]
    wanted = dict(specification(entry) for entry in entries)
    schedule_each(client, wanted, entries, environments)
    apply_deployments(client, {each: {**told, "tags": [OURS]} for each, told in wanted.items()}, ours=OURS)
    return list(wanted)


def applied_drills(client: SyncPrefectClient, *environments: Environment) -> str:
    """Apply the shipped drill deployment for these environments; its full name."""
    [name] = applied(client, *environments, only="rollback-drill")
    return name


def scheduled_runs(client: SyncPrefectClient, name: str, since: datetime, days: int) -> list[FlowRun]:
    """The runs of a deployment that the server schedules from then on, at most sixty of each schedule."""
    deployment = client.read_deployment_by_name(name)
    asked = {
        "start_time": since.isoformat(),
        "end_time": (since + timedelta(days=days)).isoformat(),
        "min_runs": 60,
        "max_runs": 60,
    }
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment.id}, json=asked)
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]))
    return [
        run
        for run in client.read_flow_runs(flow_run_filter=wanted, limit=200)
        if run.expected_start_time and since <= run.expected_start_time < since + timedelta(days=days)
    ]


def local_times(client: SyncPrefectClient, name: str, since: datetime, days: int) -> dict[str, list[str]]:
    """The local times of the drills that the server schedules from then on, by what they are asked for."""
    found: dict[str, list[str]] = {}
    for run in scheduled_runs(client, name, since, days):
        assert run.expected_start_time
        what = "rehearsal" if run.parameters.get("rehearse") else "drill"
        what = "emergency" if run.parameters.get("emergency") else what
        found.setdefault(what, []).append(f"{run.expected_start_time.astimezone(PARIS):%a %d %b %H:%M}")
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
    name = applied_drills(client, make_environment("drilled-staging", drills=DRILLED))

    before, after = (local_times(client, name, begin, 31) for begin in (since, since + timedelta(days=31)))

    assert before["drill"] == first
    assert after["drill"] == second
    rehearsed = [*before["rehearsal"], *after["rehearsal"]]
    assert len(rehearsed) >= 8
    assert {told[:3] + told[-6:] for told in rehearsed} == {"Wed 10:45"}


def test_the_emergency_paths_are_drilled_every_quarter(client: SyncPrefectClient) -> None:
    """In the second week of its first month, apart from the others."""
    name = applied_drills(client, make_environment("drilled-staging", drills=DRILLED))

    found = local_times(client, name, datetime(2027, 1, 1, tzinfo=UTC), 100)

    assert found["emergency"] == ["Mon 11 Jan 10:30"]


def test_only_environments_that_allow_it_are_drilled_by_the_clock(client: SyncPrefectClient) -> None:
    """One that says nothing has no schedule, nor has production; the second of two begins half an hour later."""
    others: dict[str, Any] = {"drills": {**DRILLED, "allowed": ALLOWED[:1]}}
    name = applied_drills(
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


def test_everything_else_runs_when_it_should_across_a_change_of_the_clocks(client: SyncPrefectClient) -> None:
    """Upkeep keeps its distance through the night of the change, and two stacks do not begin at the same moment."""
    shipped = load_environment("masking", Path("deployments/environments"))
    stacks = [shipped.model_copy(update={"name": name}) for name in ("stack-north", "stack-east")]
    evening = datetime(2027, 3, 27, 23, tzinfo=UTC)  # two hours before Europe's clocks go forward

    began: dict[str, dict[str, list[datetime]]] = {}
    for name in applied(client, *stacks):
        for run in scheduled_runs(client, name, evening, 6):
            about = str(run.parameters.get("period") or run.parameters.get("environment") or "")
            assert run.expected_start_time
            began.setdefault(name.partition("/")[2], {}).setdefault(about, []).append(run.expected_start_time)

    apart = {
        name: {
            (later - at).total_seconds() for times in each.values() for at, later in pairwise(sorted(times))
        }
        for name, each in began.items()
    }
    assert apart == {
        "backup": {300.0},
        "restore-test": {86400.0},
        "backup-retention": {86400.0},
        "readiness": {1800.0},
        "report": {86400.0},
        "resume": {60.0},
    }
    for name in ("backup", "restore-test", "backup-retention"):
        north, east = began[name].values()
        assert not {*north} & {*east}, name
    assert {f"{at:%H:%M}" for at in began["report"]["day"]} == {"00:10"}
    assert [f"{at:%d %b %H:%M}" for at in began["report"]["month"]] == ["01 Apr 00:20"]
