"""What a stack is made of: enough to make each of its containers and networks again."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from rules.names import ServiceName
from rules.values import Frozen

Json = dict[str, JsonValue]
COMPOSE = "com.docker.compose"
PROJECT = f"{COMPOSE}.project"
SERVICE = f"{COMPOSE}.service"
NEEDS = f"{COMPOSE}.depends_on"

ObjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$")]
"""A container, network or volume, as the engine takes it."""
ImageId = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

_NAMELESS = re.compile(r"[0-9a-f]{64}")
JOINED = "container:"


class Mount(Frozen):
    """Something of the host, or a volume, in a container."""

    kind: str
    """bind, volume or tmpfs."""
    source: str
    """The path on the host, or the volume's name; empty: neither."""
    destination: str = Field(pattern=r"^/")
    writable: bool

    @property
    def nameless(self) -> bool:
        """A volume nobody named: it is lost for whoever does not carry it over."""
        return self.kind == "volume" and bool(_NAMELESS.fullmatch(self.source))


class ContainerState(Frozen):
    """One container, reduced to what it is made from. It holds secrets: its environment."""

    id: str
    name: ObjectName
    service: ServiceName
    image: ImageId
    tag: str
    """What its image was called."""
    running: bool
    started_at: str = ""
    config: Json = Field(repr=False)
    host: Json = Field(repr=False)
    networks: dict[ObjectName, Json]
    """How it is in each network: aliases, fixed addresses."""
    network_ids: dict[ObjectName, str]
    mounts: tuple[Mount, ...]

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, Compose's among them."""
        told = self.config.get("Labels")
        return {name: str(value) for name, value in told.items()} if isinstance(told, dict) else {}

    @property
    def needs(self) -> dict[str, str]:
        """The services that must be there before, and in which condition, as Compose v2 wrote it down."""
        told = self.labels.get(NEEDS, "")
        parts = (each.split(":") for each in told.split(",") if each)
        return {each[0]: each[1] if each[1:] else "service_started" for each in parts}

    @property
    def lives_in(self) -> frozenset[str]:
        """Containers, by id or name, whose network or processes it shares."""
        modes = (str(self.host.get(name) or "") for name in ("NetworkMode", "PidMode", "IpcMode"))
        return frozenset(mode.removeprefix(JOINED) for mode in modes if mode.startswith(JOINED))


class NetworkState(Frozen):
    """One network, reduced to what it is made from."""

    id: str
    name: ObjectName
    driver: str
    ours: bool
    """It is the project's own, and not one that others made."""
    settings: Json
    members: dict[str, str] = {}
    """The names of the containers in it, by id."""


class StackState(Frozen):
    """Everything of one project."""

    engine_id: str
    project: str
    containers: tuple[ContainerState, ...]
    networks: tuple[NetworkState, ...]
    volumes: dict[ObjectName, Json]
    digests: dict[ImageId, tuple[str, ...]] = {}
    """Under which names a registry has each image; empty: it was never pushed."""

    def of(self, service: str) -> tuple[ContainerState, ...]:
        """The service's containers."""
        return tuple(each for each in self.containers if each.service == service)
