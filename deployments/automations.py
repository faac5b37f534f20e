"""Our Prefect automations, from `automations.yaml`: by name, never twice, and read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.changes import Applied, Kind
from deployments.prefect_yaml import OURS
from deployments.yaml_files import first_fault, read_mapping, refuse_secrets, unknown_key
from rules.errors import RecoveryRefused

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore

FILE = Path(__file__).parent / "automations.yaml"


def apply_automations(
    client: SyncPrefectClient, file: Path = FILE, *, rehearse: bool = False, ours: str = OURS
) -> list[Applied]:
    """Make the automations that carry the tag `ours` be exactly those of the file.

    Raises:
        RecoveryRefused: the file is wrong, or names a deployment that is not there; nothing was changed.
    """
    wanted = {one.name: one for one in read_automations(client, file, ours)}
    found: dict[str, list[Automation]] = {}
    for there in client.read_automations():
        if ours in there.tags:
            found.setdefault(there.name, []).append(there)
    done = []
    for name, automation in wanted.items():
        theres = found.pop(name, [])
        what = f"automation «{name}»"
        if len(theres) == 1 and _plain(theres[0]) == _plain(automation):
            done.append(Applied(kind=Kind.UNCHANGED, what=what))
            continue
        done.append(Applied(kind=Kind.UPDATED if theres else Kind.CREATED, what=what))
        if not rehearse:
            client.create_automation(automation)
            for there in theres:
                client.delete_automation(there.id)
    for name, theres in found.items():
        done.append(Applied(kind=Kind.REMOVED, what=f"automation «{name}»"))
        for there in () if rehearse else theres:
            client.delete_automation(there.id)
    return done


def read_automations(client: SyncPrefectClient, file: Path = FILE, ours: str = OURS) -> list[AutomationCore]:
    """The automations of a file, with deployments by id.

    Raises:
        RecoveryRefused: as for `apply_automations`.
    """
    from prefect.events.schemas.automations import AutomationCore
    from pydantic import ValidationError

    data = read_mapping(file)
    refuse_secrets(file, data)
    if set(data) != {"automations"}:
        raise unknown_key(file, next(iter(set(data) - {"automations"}), "nothing"), ["automations"])
    read = []
    for number, given in enumerate(data["automations"] or []):
        for action in given.get("actions", []):
            if "deployment" in action:
                action["deployment_id"] = _deployment_id(client, file, action.pop("deployment"))
                action.setdefault("source", "selected")
        try:
            automation = AutomationCore.model_validate(given)
        except ValidationError as error:
            raise first_fault(file, error, ()) from error
        _refuse_unheard(file, given, automation.model_dump(mode="json"), f"automations.{number}")
        if ours not in automation.tags:
            raise RecoveryRefused(
                f"{file}: the automation «{automation.name}» lacks the tag `{ours}`.", hint="Add it."
            )
        read.append(automation)
    return read


def _refuse_unheard(file: Path, given: Any, understood: Any, where: str) -> None:
    """Prefect drops the keys it does not know: each key that was given must have come through."""
    if isinstance(given, dict) and isinstance(understood, dict):
        for key, value in given.items():
            if key not in understood:
                raise unknown_key(file, key, list(understood), f"{where}.{key}")
            _refuse_unheard(file, value, understood[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(understood, list):
        for number, (one, other) in enumerate(zip(given, understood, strict=False)):
            _refuse_unheard(file, one, other, f"{where}.{number}")


def _deployment_id(client: SyncPrefectClient, file: Path, name: str) -> str:
    from prefect.exceptions import ObjectNotFound

    try:
        return str(client.read_deployment_by_name(name).id)
    except ObjectNotFound as error:
        raise RecoveryRefused(
            f"{file} starts the deployment `{name}`, which is not there.",
            hint="Its name is flow/deployment; add it to prefect.yaml.",
        ) from error


def _plain(automation: AutomationCore) -> Any:
    """An automation without ids and in one order, so that two can be compared."""
    return _without_ids(automation.model_dump(mode="json", exclude={"id", "owner_resource"}))


def _without_ids(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_ids(value) for key, value in data.items() if key != "id"}
    if isinstance(data, list):
        plain = [_without_ids(one) for one in data]
        return sorted(plain) if all(isinstance(one, str) for one in plain) else plain
    return data
