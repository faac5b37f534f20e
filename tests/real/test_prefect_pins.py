"""The two breakages the pins protect from, on the real server."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("prefect")]


@flow(name="pin-probe")
def probe() -> None:
    """Never runs: only its schedule matters."""


def test_the_server_starts_and_a_cron_deployment_gets_a_scheduled_run(prefect_server: str) -> None:
    """With the pinned versions the server answers and its scheduler really creates a run."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow(probe),
            name="pin-probe",
            schedules=[DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 1 * *"))],
        )
        try:
            assert _first_run_seen(deployment, 60), "the scheduler created no run"
        finally:
            client.delete_deployment(deployment)


def _first_run_seen(deployment: UUID, timeout_seconds: float) -> bool:
    with get_client(sync_client=True) as client:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            runs = client.read_flow_runs(
                deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
                sort=FlowRunSort.ID_DESC,
                limit=10,
            )
            if runs:
                return all(run.auto_scheduled for run in runs)
            time.sleep(0.2)
    return False
