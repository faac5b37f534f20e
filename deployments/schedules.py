"""Schedules that a deployment has once for each environment of a kind."""

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
        each = entry.schedule_each
        if each is None:
            continue
        [full_name] = [name for name in wanted if name.endswith(f"/{entry.name}")]
        for environment in environments:
            if environment.platform.kind == each.platform:
                schedule = each.for_environment(environment.name, _reference(client, environment))
                wanted[full_name]["schedules"].append(schedule.model_dump())


def _reference(client: SyncPrefectClient, environment: Environment) -> dict[str, Any]:
    """How a parameter names a block; a rehearsal may come before there is one."""
    there = document(client, environment.name)
    return {"$ref": {"block_document_id": str(there.id) if there else ""}}
