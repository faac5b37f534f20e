"""The environments as blocks on the Prefect server, so that the forms can offer them.

One block an environment, with everything it consists of inside it: a person at 3 a.m. picks from a list of
environments, and there is no half of one. Which blocks are ours is noted in a Prefect variable; a block that
somebody else made is never changed or removed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from blocks.environment import Environment
from deployments.changes import Applied, Kind
from rules.errors import RecoveryRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import BlockDocument

NOTE = "backstop_blocks"
"""The variable that holds the names of our blocks."""

_ADDED = frozenset({"block_type_slug", "_block_document_id", "_block_document_name", "_is_anonymous"})
"""What Prefect puts beside a block's own fields."""


def register(
    client: SyncPrefectClient,
    environments: Sequence[Environment],
    *,
    rehearse: bool = False,
    note: str = NOTE,
) -> list[Applied]:
    """Save every environment as a block, and remove those of ours that are gone.

    Raises:
        RecoveryRefused: somebody else's block has the name of one of them and says otherwise; nothing changed.
    """
    if not rehearse:
        Environment.register_type_and_schema()
    ours = _noted(client, note)
    plan: list[tuple[Applied, Environment | None, BlockDocument | None]] = []
    for environment in environments:
        there = document(client, environment.name)
        as_wanted = there is not None and _plain(there.data) == _plain(_data(environment))
        if there is not None and not as_wanted and environment.name not in ours:
            raise RecoveryRefused(
                f"There is a block `environment/{environment.name}` that Backstop did not make.",
                hint="Rename or delete it in the Prefect UI (Blocks), or name the environment otherwise.",
            )
        kind = Kind.CREATED if there is None else Kind.UNCHANGED if as_wanted else Kind.UPDATED
        plan.append((Applied(kind=kind, what=f"block environment/{environment.name}"), environment, there))
    names = {environment.name for environment in environments}
    for name in sorted(ours - names):
        if there := document(client, name):
            plan.append((Applied(kind=Kind.REMOVED, what=f"block environment/{name}"), None, there))
    if not rehearse:
        _carry_out(client, plan)
        if ours != names:
            client_note(client, note, names)
    return [applied for applied, _, _ in plan]


def _carry_out(
    client: SyncPrefectClient, plan: list[tuple[Applied, Environment | None, BlockDocument | None]]
) -> None:
    for applied, environment, there in plan:
        if applied.kind is Kind.REMOVED and there is not None:
            client.delete_block_document(there.id)
        elif environment is not None and applied.kind is not Kind.UNCHANGED:
            environment.save(environment.name, overwrite=True)


def _noted(client: SyncPrefectClient, note: str) -> set[str]:
    variable = client.read_variable_by_name(note)
    if variable is None:
        return set()
    value = variable.value
    return set(json.loads(value) if isinstance(value, str) else value or ())  # type: ignore[arg-type]  # JSON that we wrote


def client_note(client: SyncPrefectClient, note: str, names: set[str]) -> None:
    """Write down which blocks are ours."""
    from prefect.client.schemas.actions import VariableCreate, VariableUpdate

    value: Any = sorted(names)
    if client.read_variable_by_name(note) is None:
        client.create_variable(VariableCreate(name=note, value=value, tags=["backstop"]))
    else:
        client.update_variable(VariableUpdate(name=note, value=value, tags=["backstop"]))


def document(client: SyncPrefectClient, name: str) -> BlockDocument | None:
    """The block of an environment, if there is one."""
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_block_document_by_name(name, Environment.get_block_type_slug())
    except ObjectNotFound:
        return None


def _data(environment: Environment) -> dict[str, Any]:
    """What Prefect stores of the block."""
    return environment.model_dump(mode="json")


def _plain(data: Any) -> Any:
    """Block data without what Prefect adds, so that two of them can be compared."""
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items() if key not in _ADDED}
    if isinstance(data, list):
        return [_plain(one) for one in data]
    return data
