"""The flow runs of our deployments that hang, found on the Prefect server and brought to a state that is true."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry, Cancelled, Crashed

from rules.stuck_runs import OURS_TAG, RECOVERY_TAG, Mend, SeenRun, Stage, stuck

MOST = 200


def mend_stuck_runs(client: SyncPrefectClient, now: datetime) -> list[str]:
    """Mend the runs that are stuck; what was done, a line each. One look where none is."""
    stages = [StateType(stage.value) for stage in Stage]
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=stages))),
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[OURS_TAG])),
        limit=MOST,
    )
    return [told for run in found if (told := _mended(client, run, now))]


def say_dead(client: SyncPrefectClient, run_id: UUID, why: str) -> None:
    """Say that a run's process is dead, whatever the server believes."""
    state: State[Any] = Crashed(message=why)
    client.set_flow_run_state(run_id, state, force=True)


def _mended(client: SyncPrefectClient, run: FlowRun, now: datetime) -> str:
    if run.state is None or run.state.timestamp is None:
        return ""
    seen = SeenRun(
        name=run.name,
        stage=Stage(run.state.type.value),
        state=run.state.name or run.state.type.value,
        since=run.state.timestamp,
        recovery=RECOVERY_TAG in run.tags,
    )
    mending = stuck(seen, now)
    if mending is None:
        return ""
    made: dict[Mend, State[Any]] = {
        Mend.AGAIN: AwaitingRetry(scheduled_time=now, message=mending.reason),
        Mend.CRASHED: Crashed(message=mending.reason),
        Mend.CANCELLED: Cancelled(message=mending.reason),
    }
    client.set_flow_run_state(run.id, made[mending.mend], force=True)
    return f"{run.name} was {mending.reason}; now {mending.mend.value}"
