"""Schedules that a deployment has once for each environment that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blocks.environment import Environment
from deployments.prefect_yaml import Entry
from deployments.register import document

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def schedule_each(
    client: SyncPrefectClient,
    wanted: dict[str, dict[str, Any]],
    entries: Sequence[Entry],
    environments: Sequence[Environment],
) -> None:
    """Add to what is wanted of each deployment the schedules it has per environment. The blocks must be registered."""
    for entry in entries:
        for each in entry.schedule_each:
            [full_name] = [name for name in wanted if name.endswith(f"/{entry.name}")]
            fitting = [environment for environment in environments if each.fits(environment)]
            for number, environment in enumerate(fitting):
                schedule = each.for_environment(environment, _reference(client, environment), number)
                wanted[full_name]["schedules"].append(schedule.model_dump())


def _reference(client: SyncPrefectClient, environment: Environment) -> dict[str, Any]:
    """How a parameter names a block; a rehearsal may come before there is one."""
    there = document(client, environment.name)
    return {"$ref": {"block_document_id": str(there.id) if there else ""}}
