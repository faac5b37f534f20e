"""What a container that does not start would need: its ports, its image, and what it mounts."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

from blocks.docker_errors import Absent, translated
from blocks.environment import Environment
from rules.outcomes import Effect
from rules.stack_states import ContainerState
from rules.start_failures import Facts, PortHolder, needed_ports
from tasks._port_holders import holders_of
from tasks.backup_contents import read_backup
from tasks.kinds import action, probe
from tasks.stack_files import changed_files


@probe
def start_facts(environment: Environment, backup: str, services: Sequence[str]) -> Facts:
    """Look who holds the ports of services that are down, which of their images are there, and which files are not.

    Permissions: s3:GetBucketVersioning, s3:GetObject
    """
    state = read_backup.fn(environment, backup).state
    wanted = [each for each in state.containers if each.service in services]
    missing: dict[str, tuple[str, ...]] = {}
    for file in changed_files.fn(environment, backup):
        for service in file.services if file.missing and file.ours else ():
            missing[service] = (*missing.get(service, ()), file.path)
    ports = {port for each in wanted for port in needed_ports(each)}
    return Facts(
        holders=tuple(holders_of(environment, ports)),
        images={each.image: named for each in wanted if (named := _named(environment, each)) is not None},
        missing_files=missing,
    )


@probe
def port_holders(environment: Environment, ports: Collection[int]) -> list[PortHolder]:
    """Who holds which of these ports of the host.

    Permissions: none of AWS
    """
    return holders_of(environment, ports)


@action(subject="image of {service}", retries=5)
def name_image(environment: Environment, backup: str, service: str) -> Effect:
    """Give the images of a service the names that a backup has for them. Repeating it changes nothing.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        Absent: the image is gone.
        TransientFailure: the engine does not answer.
    """
    client, named = environment.docker_stack.host.client(), []
    for each in read_backup.fn(environment, backup).state.of(service):
        if _named(environment, each):
            continue
        with translated(f"name the image {each.image} {each.tag}"):
            client.images.get(each.image).tag(each.tag)
        named.append(each.tag)
    return Effect(
        subject=service, changed=bool(named), after=f"named as in {backup}", detail=", ".join(named)
    )


def _named(environment: Environment, wanted: ContainerState) -> bool | None:
    """Whether the image's name means it; None: it is gone."""
    images = environment.docker_stack.host.client().images
    with contextlib.suppress(Absent), translated(f"look for the image {wanted.tag}"):
        if images.get(wanted.tag).id == wanted.image:
            return True
    with contextlib.suppress(Absent), translated(f"look for the image {wanted.image}"):
        images.get(wanted.image)
        return False
    return None
