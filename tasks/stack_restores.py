"""Bringing a Docker stack back to how a backup has it: networks and containers, and only what differs.

What is made is made from the backup, never from what is there: that may be gone when a killed run is taken up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blocks.docker_errors import Absent, translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.stack_descriptions import described
from rules.stack_differences import compare_container, compare_network
from rules.stack_states import ContainerState, Json, NetworkState, StackState
from tasks._container_making import connect, make, refuse_taken, remove
from tasks.backup_contents import read_backup
from tasks.containers import REPLACEMENT, inspected_with_replacements
from tasks.kinds import action
from tasks.stack_services import stop_container

if TYPE_CHECKING:
    from docker import DockerClient


@action(subject="network {network}", retries=5)
def make_network(environment: Environment, backup: str, network: str) -> Effect:
    """Make a network of the project as a backup has it; one that differs is replaced. Repeating it changes nothing.

    Whoever was in it has left it afterwards: `join_network`.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        TransientFailure: the engine does not answer.
        StepFailed: somebody else's network has the name or the addresses, or somebody else is in ours.
    """
    wanted = _network_of(read_backup.fn(environment, backup).state, network)
    client, project = environment.docker_stack.host.client(), environment.docker_stack.project
    there = _networks(client, network, project)
    if strange := [each for each in there if not each.ours]:
        raise StepFailed(
            f"A network {network} is there that is not of {project}: {strange[0].id[:12]}.",
            hint="It is left alone. Rename or remove it by hand, if it may go.",
        )
    right = [each for each in there if not compare_network(each, wanted)][:1]
    wrong = [each for each in there if each not in right]
    for each in wrong:
        _remove_network(client, each, project)
    if not right:
        settings: dict[str, Any] = dict(wanted.settings)
        with translated(f"make the network {network}"):
            client.api.create_network(
                network,
                driver=wanted.driver,
                options=settings.get("Options"),
                ipam=settings.get("IPAM"),
                check_duplicate=True,
                internal=bool(settings.get("Internal")),
                labels=settings.get("Labels"),
                enable_ipv6=bool(settings.get("EnableIPv6")),
                attachable=bool(settings.get("Attachable")),
            )
    before = "another one" if wrong else "none"
    return Effect(subject=network, changed=bool(wrong or not right), before=before, after=f"as in {backup}")


@action(subject="{service} in {network}", retries=5)
def join_network(environment: Environment, backup: str, service: str, network: str) -> Effect:
    """Put a service's containers into a network as a backup has them there. Repeating it changes nothing.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        TransientFailure: the engine does not answer.
        StepFailed: there is no such network, or it refuses them.
    """
    wanted = {each.name: each for each in read_backup.fn(environment, backup).state.of(service)}
    client, joined = environment.docker_stack.host.client(), []
    with translated(f"put {service} into the network {network}"):
        now = client.api.inspect_network(network)["Id"]
        for each in _containers(environment, service):
            settings = wanted[each.name].networks.get(network) if each.name in wanted else None
            if settings is None or (
                each.network_ids.get(network) == now and each.networks[network] == settings
            ):
                continue
            # It may know a network of that name which is no more, or be in it without its names.
            with contextlib.suppress(StepFailed), translated("leave it"):
                client.api.disconnect_container_from_network(each.id, network, force=True)
            connect(client, each.id, now, settings)
            joined.append(each.name)
    return Effect(subject=service, changed=bool(joined), after=f"in {network}", detail=", ".join(joined))


@action(subject="{service}", retries=5)
def recreate_service(
    environment: Environment, backup: str, service: str, volumes: Mapping[str, str]
) -> Effect:
    """Make a service's containers as a backup has them, and leave them stopped. Repeating it changes nothing.

    The new ones are made beside the old: only when that worked the old ones are stopped and removed, never their
    volumes. `volumes` are those without a name, by their destination: their data is carried over.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        TransientFailure: the engine does not answer.
        StepFailed: an image is gone, a name is taken, or Redis cannot save what it holds; the old one is left.
    """
    state, client = read_backup.fn(environment, backup).state, environment.docker_stack.host.client()
    there = {each.name: each for each in _containers(environment, service)}
    wrong = {each.name: each for each in state.of(service) if _differs(there.get(each.name), each)}
    told = {
        difference.what
        for name, each in wrong.items()
        if name in there
        for difference in compare_container(there[name], each)
    }
    for each in wrong.values():
        refuse_taken(client, each, state.project)
        half = there.get(f"{each.name}{REPLACEMENT}")
        if half is not None and _differs(half, each):
            remove(client, half.id)
            half = None
        if half is None:
            make(client, state, each, volumes)
    right = {each.name for each in state.of(service)} - wrong.keys()
    replacements = {f"{name}{REPLACEMENT}" for name in wrong}
    gone = [each for name, each in there.items() if name not in right | replacements]
    for container in gone:
        _take_away(environment, container)
    for name in wrong:
        with translated(f"give {name} its name"):
            client.api.rename(f"{name}{REPLACEMENT}", name)
    return Effect(
        subject=service,
        changed=bool(wrong or gone),
        before=", ".join(sorted(told)),
        after=f"as in {backup}",
        detail=f"removed: {', '.join(each.name for each in gone)}" if gone else "",
    )


def _differs(live: ContainerState | None, wanted: ContainerState) -> bool:
    return live is None or bool(compare_container(live, wanted))


def _take_away(environment: Environment, container: ContainerState) -> None:
    client = environment.docker_stack.host.client()
    with contextlib.suppress(Absent), translated(f"look at {container.name}"):
        stop_container(environment, client.api.inspect_container(container.id))
    remove(client, container.id)


def _containers(environment: Environment, service: str) -> list[ContainerState]:
    """The service's containers as they are, with those that are about to take their place."""
    stack = environment.docker_stack
    with translated(f"find the containers of {service}"):
        found = inspected_with_replacements(stack.host.client(), stack.project, service)
    told: Json = {"containers": [*found]}
    return list(described(told, stack.project).containers)


def _network_of(state: StackState, name: str) -> NetworkState:
    for network in state.networks:
        if network.name == name and network.ours:
            return network
    raise StepFailed(f"The backup has no network {name} of {state.project}.", hint="Take another backup.")


def _networks(client: DockerClient, name: str, project: str) -> list[NetworkState]:
    """Every network of just that name: an engine may have several."""
    with translated(f"look for the network {name}"):
        found = [each for each in client.networks.list(names=[name]) if each.name == name]
        told: Json = {"networks": [client.api.inspect_network(str(each.id)) for each in found]}
    return list(described(told, project).networks)


def _remove_network(client: DockerClient, network: NetworkState, project: str) -> None:
    """Remove a network of ours, its containers put out of it first.

    Raises:
        StepFailed: somebody else's container is in it.
    """
    with translated(f"remove the network {network.name}"):
        ours = {each["Id"] for each in inspected_with_replacements(client, project)}
        if strange := [name for member, name in network.members.items() if member not in ours]:
            raise StepFailed(
                f"The network {network.name} is left as it is: {strange[0]}, which is not of {project}, is in it.",
                hint="Take that container out of it by hand, if it may lose its connection.",
            )
        for member in network.members:
            client.api.disconnect_container_from_network(member, network.id, force=True)
        with contextlib.suppress(Absent):
            client.api.remove_network(network.id)
