"""Reading what the engine says of a stack: a backup's state and the live one alike, so that they can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from pydantic import JsonValue, ValidationError

from rules.errors import RecoveryRefused
from rules.stack_states import JOINED, PROJECT, SERVICE, ContainerState, Json, Mount, NetworkState, StackState


def parse(content: bytes, project: str, what: str) -> StackState:
    """A backup's state, strictly; `what` names it in the error.

    Raises:
        RecoveryRefused: it is no state, or not this project's.
    """
    try:
        return described(json.loads(content), project)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Its text would repeat values of containers' environments.
        raise RecoveryRefused(
            f"{what} is no description of the stack {project} ({type(error).__name__}).",
            hint="Take another backup.",
        ) from None


def described(told: Mapping[str, JsonValue], project: str) -> StackState:
    """A state as `services-state.json` has it.

    Raises:
        ValueError: something of it belongs to another project, or has no legal name.
    """
    containers = [_container(each) for each in _all(told, "containers")]
    names = {each.id: each.name for each in containers}
    for each in containers:
        if each.labels.get(PROJECT) != project:
            raise ValueError(f"{each.name} is not of the project {project}")
    return StackState(
        engine_id=str(_part(told, "engine").get("id", "")),
        project=project,
        containers=tuple(_naming_its_hosts(each, names) for each in containers),
        networks=tuple(_network(each, project) for each in _all(told, "networks")),
        volumes={
            str(each["Name"]): {name: each.get(name) for name in ("Driver", "Options", "Labels")}
            for each in _all(told, "volumes")
        },
        digests={
            image: tuple(
                str(name) for name in cast("list[JsonValue]", cast("Json", each).get("digests") or [])
            )
            for image, each in _part(told, "images").items()
        },
    )


def _container(told: Json) -> ContainerState:
    config, host = _part(told, "Config"), _part(told, "HostConfig")
    identity, state = str(told["Id"]), _part(told, "State")
    if config.get("Hostname") == identity[:12]:
        config = config | {"Hostname": ""}
    joined = {
        name: cast("Json", each) for name, each in _part(_part(told, "NetworkSettings"), "Networks").items()
    }
    return ContainerState(
        id=identity,
        name=str(told["Name"]).lstrip("/"),
        service=str(_part(config, "Labels").get(SERVICE, "")),
        image=str(told["Image"]),
        tag=str(config.get("Image", "")),
        running=bool(state.get("Running")),
        started_at=str(state.get("StartedAt") or ""),
        config=config,
        host=host,
        networks={name: _endpoint(each, identity) for name, each in joined.items()},
        network_ids={name: str(each.get("NetworkID") or "") for name, each in joined.items()},
        mounts=tuple(
            Mount(
                kind=str(each["Type"]),
                source=str(each.get("Name") if each["Type"] == "volume" else each.get("Source") or ""),
                destination=str(each["Destination"]),
                writable=bool(each.get("RW")),
            )
            for each in sorted(_all(told, "Mounts"), key=lambda each: str(each["Destination"]))
        ),
    )


def _endpoint(told: Json, container: str) -> Json:
    told_aliases = cast("list[JsonValue]", told.get("Aliases") or [])
    aliases: list[JsonValue] = [*sorted({str(each) for each in told_aliases} - {container[:12]})]
    kept: Json = {name: told[name] for name in ("IPAMConfig", "Links", "DriverOpts") if told.get(name)}
    return kept | {"Aliases": aliases}


def _naming_its_hosts(container: ContainerState, names: Mapping[str, str]) -> ContainerState:
    """Whose network or processes it shares is told by id, which a container that is made again has not."""
    host = dict(container.host)
    for mode in ("NetworkMode", "PidMode", "IpcMode"):
        shared = str(host.get(mode) or "")
        if shared.startswith(JOINED):
            host[mode] = JOINED + names.get(shared.removeprefix(JOINED), shared.removeprefix(JOINED))
    return container.model_copy(update={"host": host})


def _network(told: Json, project: str) -> NetworkState:
    wanted = ("Internal", "Attachable", "EnableIPv6", "IPAM", "Options", "Labels")
    members = {
        identity: str(cast("Json", each).get("Name", ""))
        for identity, each in _part(told, "Containers").items()
    }
    return NetworkState(
        id=str(told["Id"]),
        name=str(told["Name"]),
        driver=str(told.get("Driver", "bridge")),
        ours=_part(told, "Labels").get(PROJECT) == project,
        settings={name: told.get(name) for name in wanted},
        members=members,
    )


def _part(told: Mapping[str, JsonValue], name: str) -> Json:
    found = told.get(name) or {}
    if not isinstance(found, dict):
        raise TypeError(f"{name} is no object")
    return found


def _all(told: Mapping[str, JsonValue], name: str) -> Iterable[Json]:
    found = told.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise TypeError(f"{name} is no list of objects")
    return cast("list[Json]", found)
