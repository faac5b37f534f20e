"""An independent look at the practice stack: the engine, Redis and files, nothing of Backstop's is asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from redis import RedisError

from sandbox.stack import composing
from sandbox.stack.compose_file import LABEL
from sandbox.stack.stack import PREFIX, DockerStack

COUNTER = f"{PREFIX}seq"
"""Every request with a new identifier counts it on: a check of the way through does so too."""

LIMITS = ("Memory", "MemorySwap", "NanoCpus", "CpuQuota", "CpuPeriod", "CpuShares", "PidsLimit")


@dataclass(frozen=True, slots=True)
class StackReading:
    """Everything of masking that a recovery may touch. Two looks can be compared: nothing in it is drawn by lot."""

    services: dict[str, list[dict[str, Any]]]
    """The containers of each service: image, state, limits, networks, and a hash of what they were made with."""
    networks: list[dict[str, Any]]
    files: dict[str, str]
    """Hash of every file of the stack but its backups."""
    keys: int
    """Mappings in Redis; -1: it does not answer."""
    data: str
    """Hash of every mapping and its value."""
    backups_kept: bool
    """The backup that the stack was brought up with is still there."""
    foreign: dict[str, str]
    """Somebody else's containers, networks and volumes: identity and start of each. They never change."""


def read(stack: DockerStack) -> StackReading:
    """Look at the stack now."""
    services: dict[str, list[dict[str, Any]]] = {}
    for each in composing.containers(stack.client, stack.addresses.project):
        services.setdefault(each.labels[f"{LABEL}.service"], []).append(_container(each.attrs))
    keys, data = _data(stack)
    return StackReading(
        services=dict(sorted(services.items())),
        networks=[
            {"name": each.name, "labels": each.attrs["Labels"], "subnets": each.attrs["IPAM"]["Config"]}
            for each in stack.client.networks.list(filters=_mine(stack.addresses.project))
        ],
        files={
            str(path.relative_to(stack.home)): _sha256(path.read_bytes())
            for path in sorted(stack.home.rglob("*"))
            if path.is_file() and "backups" not in path.parts
        },
        keys=keys,
        data=data,
        backups_kept=any((stack.home / "backups").rglob("*-deploy-*/manifest.json")),
        foreign=_foreign(stack),
    )


def _container(attributes: dict[str, Any]) -> dict[str, Any]:
    made = {name: attributes["Config"][name] for name in ("Env", "Cmd", "Labels", "Healthcheck", "User")}
    host = attributes["HostConfig"]
    short = attributes["Id"][:12]
    return {
        "name": attributes["Name"],
        "image": attributes["Image"],
        "named": attributes["Config"]["Image"],
        "state": attributes["State"]["Status"],
        "limits": {name: host.get(name) for name in LIMITS},
        "made": _sha256(repr(sorted(made.items())).encode()),
        "mounts": sorted(f"{each['Source']}:{each['Destination']}" for each in attributes["Mounts"]),
        "ports": str(host["PortBindings"]),
        "networks": {
            name: sorted({*(each["Aliases"] or ())} - {short})
            for name, each in attributes["NetworkSettings"]["Networks"].items()
        },
    }


def _data(stack: DockerStack) -> tuple[int, str]:
    try:
        with stack.redis(5) as redis:
            keys = sorted(key for key in redis.scan_iter(f"{PREFIX}*", count=10_000) if key != COUNTER)
            kinds = [redis.type(key) for key in keys[:20]]
            values = redis.mget(keys) if keys else []
    except RedisError:
        return -1, ""
    return len(keys), _sha256(repr((keys, kinds, values)).encode())


def _foreign(stack: DockerStack) -> dict[str, str]:
    client, project = stack.client, stack.foreign.project
    found = {
        str(each.name): f"{each.id} since {each.attrs['State']['StartedAt']}"
        for each in composing.containers(client, project)
    }
    found |= {str(each.name): str(each.id) for each in client.networks.list(filters=_mine(project))}
    volumes = client.volumes.list(filters=_mine(project))
    return found | {str(each.name): str(each.attrs["CreatedAt"]) for each in volumes}


def _mine(project: str) -> dict[str, str]:
    return {"label": f"{LABEL}.project={project}"}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
