"""Making a container again from its full description, beside the one that runs, and putting it in its place."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blocks.docker_errors import Absent, translated
from rules.errors import StepFailed
from rules.stack_states import PROJECT, ContainerState, Json, StackState
from tasks.containers import REPLACEMENT

if TYPE_CHECKING:
    from docker import DockerClient


def make(client: DockerClient, state: StackState, wanted: ContainerState, volumes: Mapping[str, str]) -> str:
    """Make a replacement, not started; its id.

    Args:
        client: Of the engine.
        state: What the container is part of.
        wanted: What it is made from.
        volumes: Those without a name that it mounts, by destination.

    Raises:
        StepFailed: its image is gone, or the engine refuses.
    """
    api: Any = client.api
    with translated(f"make the container {wanted.name}"):
        _provide_volumes(api, state, wanted)
        body = _body(wanted, volumes) | {"Image": image_to_use(client, wanted)}
        made = str(api.create_container_from_config(body, f"{wanted.name}{REPLACEMENT}")["Id"])
        for network in list(wanted.networks)[1:]:  # at its birth this engine takes one
            connect(client, made, network, wanted.networks[network])
    return made


def connect(client: DockerClient, container: str, network: str, settings: Json) -> None:
    """Put a container into a network, with its names and fixed addresses there."""
    address: Any = settings.get("IPAMConfig") or {}
    options: dict[str, Any] = {
        "aliases": settings.get("Aliases") or None,
        "ipv4_address": address.get("IPv4Address"),
        "ipv6_address": address.get("IPv6Address"),
        "link_local_ips": address.get("LinkLocalIPs"),
        "driver_opt": settings.get("DriverOpts"),
    }
    client.api.connect_container_to_network(container, network, **options)


def image_to_use(client: DockerClient, wanted: ContainerState) -> str:
    """The image by its tag, where that still means it; else by its id: a tag may have moved, or be gone.

    Raises:
        StepFailed: the engine has no such image.
    """
    with contextlib.suppress(Absent), translated(f"look for the image {wanted.tag}"):
        if client.images.get(wanted.tag).id == wanted.image:
            return wanted.tag
    try:
        with translated(f"look for the image {wanted.image}"):
            return str(client.images.get(wanted.image).id)
    except Absent as error:
        raise StepFailed(
            f"The image of {wanted.service} is gone: {wanted.tag} ({wanted.image}).",
            hint="Pull or load it again, by its digest where a registry has it; its tag may mean another one today.",
        ) from error


def refuse_taken(client: DockerClient, wanted: ContainerState, project: str) -> None:
    """Refuse where a container of somebody else has the name.

    Raises:
        StepFailed: it has.
    """
    with contextlib.suppress(Absent), translated(f"look whether {wanted.name} is free"):
        there = client.api.inspect_container(wanted.name)
        if (there["Config"].get("Labels") or {}).get(PROJECT) != project:
            raise StepFailed(
                f"The name {wanted.name} is taken by a container that is not of {project}.",
                hint="It is left alone. Rename or remove it by hand, if it may go.",
            )


def remove(client: DockerClient, container: str) -> None:
    """Remove a container, never its volumes: its data stays."""
    with contextlib.suppress(Absent), translated(f"remove the container {container[:12]}"):
        client.api.remove_container(container, force=True, v=False)


def _body(wanted: ContainerState, volumes: Mapping[str, str]) -> Json:
    first = next(iter(wanted.networks.items()), None)
    endpoints: Json = {first[0]: first[1]} if first else {}
    return {
        **wanted.config,
        "HostConfig": _with_volumes(wanted, volumes),
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def _with_volumes(wanted: ContainerState, volumes: Mapping[str, str]) -> Json:
    """Its mounts as they were asked for; those without a name are asked for by the name the engine gave them."""
    carried = {each.destination: each for each in wanted.mounts if each.nameless}
    asked: Any = wanted.host
    binds = [each for each in asked.get("Binds") or [] if each.split(":")[1] not in carried]
    mounts = [each for each in asked.get("Mounts") or [] if each.get("Target") not in carried]
    for destination, mount in carried.items():
        mode = "rw" if mount.writable else "ro"
        binds.append(f"{volumes.get(destination, mount.source)}:{destination}:{mode}")
    return wanted.host | {"Binds": binds, "Mounts": mounts}


def _provide_volumes(api: Any, state: StackState, wanted: ContainerState) -> None:
    """Make named volumes that are gone, with their labels: the engine would make them without. One there is kept."""
    for mount in wanted.mounts:
        known = state.volumes.get(mount.source) if mount.kind == "volume" and not mount.nameless else None
        if known is not None:
            api.create_volume(
                mount.source, known.get("Driver") or "local", known.get("Options"), known.get("Labels")
            )
