"""Everything that is needed to make a stack's containers again: the engine's full description, and mounted files."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blocks.docker_errors import Absent, translated
from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.stack_descriptions import described
from rules.stack_states import StackState
from tasks._container_files import small_member
from tasks.containers import PROJECT, inspected, service_of
from tasks.kinds import probe

if TYPE_CHECKING:
    from docker import DockerClient

SOURCE = "BACKSTOP.source"
"""Header of a mounted file in a backup: where it lies on the host. That is what is put back."""

_LARGEST = 4 << 20
"""Bytes of a mounted file that still counts as configuration."""


def state_of(environment: Environment) -> dict[str, Any]:
    """The full inspect of the project's containers, networks and volumes, its images, and the engine.

    It holds secrets: every container's environment is in it.
    """
    stack = environment.docker_stack
    with translated(f"describe the project {stack.project}"):
        client = stack.host.client()
        containers = inspected(client, stack.project)
        told = client.info()
        return {
            "format": 1,
            "engine": {"id": told.get("ID", ""), "version": told.get("ServerVersion", "")},
            "containers": containers,
            "networks": _networks(client, stack.project, containers),
            "volumes": _volumes(client, stack.project, containers),
            "images": _images(client, containers),
        }


@probe
def live_stack(environment: Environment) -> StackState:
    """The project as it is now, in the form that backups are compared in."""
    return described(state_of(environment), environment.docker_stack.project)


@probe
def images_gone(environment: Environment, images: Sequence[str]) -> list[str]:
    """Those of these images, by id, that the engine does not have."""
    client, gone = environment.docker_stack.host.client(), []
    for image in images:
        try:
            with translated(f"look for the image {image}"):
                client.images.get(image)
        except Absent:
            gone.append(image)
    return gone


def _networks(client: DockerClient, project: str, containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The project's own networks, and others that its containers are in."""
    ids = {each.id for each in client.networks.list(filters={"label": f"{PROJECT}={project}"})}
    for container in containers:
        joined = (container["NetworkSettings"].get("Networks") or {}).values()
        ids |= {each["NetworkID"] for each in joined if each.get("NetworkID")}
    found = []
    for each in sorted(filter(None, ids)):
        # A container may still name a network that is no more.
        with contextlib.suppress(Absent), translated(f"describe the network {each}"):
            found.append(client.api.inspect_network(each))
    return found


def _volumes(client: DockerClient, project: str, containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The project's own volumes, and those without a name that its containers have mounted."""
    names = {each.name for each in client.volumes.list(filters={"label": f"{PROJECT}={project}"})}
    for container in containers:
        mounts = container.get("Mounts") or []
        names |= {each["Name"] for each in mounts if each.get("Type") == "volume" and each.get("Name")}
    return [client.api.inspect_volume(each) for each in sorted(names)]


def _images(client: DockerClient, containers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each image by its id. An image that was never pushed has no digests; one that is gone has only its id."""
    found: dict[str, dict[str, Any]] = {}
    for identity in sorted({str(each["Image"]) for each in containers}):
        try:
            with translated(f"describe the image {identity}"):
                told = client.images.get(identity).attrs
        except Absent:
            found[identity] = {"gone": True}
            continue
        found[identity] = {
            "tags": told.get("RepoTags") or [],
            "digests": told.get("RepoDigests") or [],
            "created": told.get("Created", ""),
            "size": told.get("Size", 0),
        }
    return found


def mounted_files(environment: Environment, containers: list[dict[str, Any]], *, whole: bool) -> bytes:
    """The single files that are mounted into the containers, as a tar: `<service><path in the container>`.

    Mounted folders, and files over 4 MB, are data and left out; where `whole` is false, so is what cannot be read.
    """
    client = environment.docker_stack.host.client()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for container in containers:
            for mount in sorted(container.get("Mounts") or [], key=lambda each: str(each["Destination"])):
                if mount.get("Type") != "bind":
                    continue
                try:
                    member = small_member(client, container["Id"], mount["Destination"], _LARGEST)
                except TransientFailure:
                    raise
                except StepFailed:
                    if whole:
                        raise
                    continue
                if member is not None:
                    there, content = member
                    info = tarfile.TarInfo(f"{service_of(container)}{mount['Destination']}")
                    info.size = len(content)
                    info.mode, info.uid, info.gid = there.mode, there.uid, there.gid
                    info.pax_headers = {SOURCE: str(mount["Source"])}
                    tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
