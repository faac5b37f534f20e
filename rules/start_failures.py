"""Why a container does not start, and whether that can be cured here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from rules.plans import Change
from rules.stack_repairs import Part, in_order, putting_back
from rules.stack_states import ContainerState, StackState
from rules.stacks import RUNNING, ContainerLook, StackLook, describe
from rules.values import Frozen

_PORT = re.compile(
    r"port is already allocated|address already in use|userland proxy|programming external", re.IGNORECASE
)
_MOUNT = re.compile(
    r"error mounting|not a directory|are you trying to mount|bind source path does not exist", re.IGNORECASE
)


class Cause(StrEnum):
    """What keeps a service from starting."""

    PORT = "its port is taken"
    IMAGE = "its image is gone"
    UNNAMED = "its image has lost its name"
    MOUNT = "what it mounts is not there"
    ABSENT = "there is no such container"
    STOPPED = "it was stopped"
    CRASHES = "it ends by itself"


class PortHolder(Frozen):
    """Who holds a port of the host that a stopped service needs."""

    port: int
    holder: str
    """A container by its name, or a process by name and id."""


class Failure(Frozen):
    """A service that does not run, and why."""

    service: str
    cause: Cause
    told: str
    """For people: who holds the port, which image, which file."""
    files: tuple[str, ...] = ()
    """What it mounts and is not there."""

    @property
    def curable(self) -> bool:
        """Whether it is in our hands."""
        return self.cause not in (Cause.PORT, Cause.IMAGE, Cause.CRASHES)


class Facts(Frozen):
    """What was seen, beside the containers themselves."""

    holders: tuple[PortHolder, ...] = ()
    images: Mapping[str, bool] = {}
    """Each wanted image by its id: whether its name still means it. One that is missing is not in it."""
    missing_files: Mapping[str, tuple[str, ...]] = {}
    """By service."""


def is_about_a_port(said: str) -> bool:
    """Whether the engine says that a port is taken."""
    return bool(_PORT.search(said))


def told_holders(holders: Sequence[PortHolder]) -> str:
    """Who holds which port, in words."""
    return "; ".join(f"port {each.port} is held by {each.holder}" for each in holders)


def needed_ports(container: ContainerState) -> set[int]:
    """The ports of the host that it publishes."""
    return published(container.host.get("PortBindings"))


def ports_to_free(live: StackState, wanted: StackState, services: Collection[str]) -> set[int]:
    """The ports that these services need and no running container of the stack has: nobody else may hold them."""
    needed = {port for each in wanted.containers if each.service in services for port in needed_ports(each)}
    return needed - {port for each in live.containers if each.running for port in needed_ports(each)}


def published(bindings: object) -> set[int]:
    """The ports of the host in a container's `PortBindings`."""
    listed = (
        [each for each in bindings.values() if isinstance(each, list)] if isinstance(bindings, dict) else []
    )
    told = [each.get("HostPort") for inner in listed for each in inner if isinstance(each, dict)]
    return {int(str(port)) for port in told if str(port or "").isdigit()}


def down(look: StackLook, services: Sequence[str]) -> list[str]:
    """The services of which no container runs."""
    return [name for name in services if not any(each.state == RUNNING for each in look.of(name))]


def diagnose(service: str, look: StackLook, wanted: Sequence[ContainerState], facts: Facts) -> Failure:
    """Why a service that is down does not run, the cause that is to be cured first."""
    there = look.of(service)
    for each in wanted:
        if each.image not in facts.images:
            return Failure(
                service=service,
                cause=Cause.IMAGE,
                told=f"{each.tag} ({each.image[:19]}) is not on this engine",
            )
    ports = {port for each in wanted for port in needed_ports(each)}
    if held := [holder for holder in facts.holders if holder.port in ports]:
        return Failure(service=service, cause=Cause.PORT, told=told_holders(held))
    if files := facts.missing_files.get(service, ()):
        return Failure(service=service, cause=Cause.MOUNT, told=", ".join(files), files=files)
    unnamed = [each.tag for each in wanted if not facts.images[each.image]]
    if unnamed:
        return Failure(
            service=service, cause=Cause.UNNAMED, told=f"{unnamed[0]} names nothing, or another image"
        )
    if not there:
        return Failure(service=service, cause=Cause.ABSENT, told="it is made again from the backup")
    return _from_state(service, there[0])


def _from_state(service: str, there: ContainerLook) -> Failure:
    """What the engine says of the container itself."""
    told = describe(there)
    if _PORT.search(there.error):
        return Failure(service=service, cause=Cause.STOPPED, told=f"{told}. Nobody holds that port any more")
    if _MOUNT.search(there.error):
        return Failure(service=service, cause=Cause.STOPPED, told=f"{told}. All it mounts is there now")
    if there.restarts or there.exit_code not in (0, 137, 143):
        return Failure(service=service, cause=Cause.CRASHES, told=told)
    return Failure(service=service, cause=Cause.STOPPED, told=told)


def repairs(failures: Sequence[Failure], absent: Collection[str]) -> tuple[Change, ...]:
    """What cures those that can be cured. `absent`: services that have no container."""
    changes: list[Change] = []
    for each in failures:
        if not each.curable:
            continue
        changes += [putting_back(path, missing=True) for path in each.files]
        if each.cause is Cause.UNNAMED:
            changes.append(
                Change(subject=each.service, before="no name", after="as in the backup", kind=Part.IMAGE)
            )
        if each.service in absent:
            changes.append(
                Change(subject=each.service, before="absent", after="as in the backup", kind=Part.CONTAINER)
            )
        changes.append(Change(subject=each.service, before="down", after="running", kind=Part.START))
    return in_order(changes)
