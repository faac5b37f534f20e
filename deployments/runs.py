"""The flow runs of our deployments, as a responder sees them on the Prefect server: find, take, settle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.client.schemas.sorting import DeploymentSort, FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import AwaitingRetry, Cancelled, Crashed, Pending, Scheduled

from rules.stuck_runs import RECOVERY_TAG

T = TypeVar("T")

ATTEMPTS = 3
"""How often one run of a recovery is begun before its death is left to people."""

_BUSY_TRIES, _BUSY_SECONDS = 40, 0.05


class Runs:
    """The runs of the deployments that carry every one of `tags`."""

    def __init__(self, client: PrefectClient, tags: tuple[str, ...]) -> None:
        self._client = client
        self._tags = list(tags)
        self._entrypoints: dict[UUID, str] = {}
        self._begun_again: Counter[UUID] = Counter()

    async def due(self, limit: int) -> list[FlowRun]:
        """Runs whose time has come, the longest due first."""
        body = {
            "flow_runs": {
                "state": {"type": {"any_": [StateType.SCHEDULED.value]}},
                "next_scheduled_start_time": {"before_": datetime.now(UTC).isoformat()},
            },
            "deployments": {"tags": {"all_": self._tags}},
            "sort": FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC.value,
            "limit": limit,
        }
        return await self._found(body)

    async def to_cancel(self, ids: Iterable[UUID]) -> list[UUID]:
        """Those of `ids` that somebody asked to cancel."""
        wanted = {
            "id": {"any_": [str(one) for one in ids]},
            "state": {"type": {"any_": [StateType.CANCELLING.value]}},
        }
        return [run.id for run in await self._found({"flow_runs": wanted, "limit": 200})]

    async def take(self, run: FlowRun, words: str) -> FlowRun | None:
        """Make the run ours, atomically. None: somebody else was first, or it is not due any more."""
        pending: State[Any] = Pending(name="Taken", message=words)
        answer: OrchestrationResult[Any] = await _patiently(
            lambda: self._client.set_flow_run_state(run.id, pending)
        )
        if answer.status is not SetStateStatus.ACCEPT or answer.state is None:
            return None
        return run.model_copy(
            update={
                "state": answer.state,
                "state_type": answer.state.type,
                "state_name": answer.state.name,
                "state_id": answer.state.id,
            }
        )

    async def entrypoint(self, run: FlowRun) -> str:
        """Where the code of the run's flow is, such as `flows.canary_failure.recover`; empty: unknown."""
        if run.deployment_id is None:
            return ""
        if run.deployment_id not in self._entrypoints:
            await self.look_at_deployments()
        return self._entrypoints.get(run.deployment_id, "")

    @property
    def has_deployments(self) -> bool:
        """Whether any of our deployments was seen on the server."""
        return bool(self._entrypoints)

    async def look_at_deployments(self) -> None:
        """Read our deployments again, and let the UI show them as ready."""
        found = await self._client.read_deployments(
            deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=self._tags)),
            sort=DeploymentSort.NAME_ASC,
            limit=200,
        )
        self._entrypoints = {one.id: one.entrypoint or "" for one in found}
        if found:
            # The server takes this question for a sign of life of whoever serves these deployments.
            past = datetime.now(UTC) - timedelta(days=3650)
            await self._client.get_scheduled_flow_runs_for_deployments(
                [one.id for one in found], past, limit=1
            )

    async def state(self, run_id: UUID) -> State[Any] | None:
        """The state the run is in now; None when the run was deleted."""
        try:
            found = await _patiently(lambda: self._client.read_flow_run(run_id))
        except ObjectNotFound:
            return None
        return found.state

    async def crashed(self, run_id: UUID, why: str) -> None:
        """Say that the run's process died."""
        await self._force(run_id, Crashed(message=why))

    async def cancelled(self, run_id: UUID) -> None:
        """Say that the run's process has ended because somebody cancelled it."""
        await self._force(run_id, Cancelled(message="Cancelled; its process has ended."))

    async def give_back(self, run_id: UUID) -> None:
        """Let any responder take the run again: it was taken, but never begun."""
        await self._force(run_id, Scheduled(scheduled_time=datetime.now(UTC)))

    async def begin_again(self, run_id: UUID) -> bool:
        """Schedule a crashed recovery once more, unless it was begun often enough. Says whether it did."""
        run = await _patiently(lambda: self._client.read_flow_run(run_id))
        self._begun_again[run_id] += 1  # a process that dies before the run counts as begun
        if RECOVERY_TAG not in run.tags or max(run.run_count, self._begun_again[run_id]) >= ATTEMPTS:
            return False
        await self._force(run_id, AwaitingRetry(scheduled_time=datetime.now(UTC)))
        return True

    async def _force(self, run_id: UUID, state: State[Any]) -> None:
        await _patiently(lambda: self._client.set_flow_run_state(run_id, state, force=True))

    async def _found(self, body: dict[str, object]) -> list[FlowRun]:
        answer = await _patiently(lambda: self._client.request("POST", "/flow_runs/filter", json=body))
        return [FlowRun.model_validate(one) for one in answer.json()]


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Try again at once while SQLite is busy (503); Prefect's own client waits two seconds and more."""
    for _ in range(_BUSY_TRIES):
        try:
            return await call()
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            await asyncio.sleep(_BUSY_SECONDS)
    return await call()
