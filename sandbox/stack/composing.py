"""Brings a Compose file up and down through the Docker SDK: no `docker compose` is needed, its labels are set."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from docker import errors
from docker.types import IPAMConfig, IPAMPool, LogConfig

from sandbox.stack.compose_file import LABEL, ComposeFile, nanoseconds

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SOON = 3
"""Seconds a container has to end by itself."""


def up(client: DockerClient, file: ComposeFile) -> None:
    """Make what is missing of the project and start all of it, level by level; health is not waited for."""
    _networks(client, file)
    _volumes(client, file)
    there = {each.labels[f"{LABEL}.service"] for each in containers(client, file.project)}
    missing = [name for name in file.services if name not in there]
    with ThreadPoolExecutor(max_workers=4) as several:
        list(several.map(lambda name: _create(client, file, name), missing))
        made = {each.labels[f"{LABEL}.service"]: each for each in containers(client, file.project)}
        for level in file.levels():
            list(several.map(lambda name: made[name].start(), level))


def down(client: DockerClient, file: ComposeFile) -> None:
    """Remove all of the project, its data too. Repeating it changes nothing."""
    with ThreadPoolExecutor(max_workers=4) as several:
        list(several.map(_remove, containers(client, file.project)))
    mine = {"label": f"{LABEL}.project={file.project}"}
    for network in client.networks.list(filters=mine):
        with contextlib.suppress(errors.NotFound):
            network.remove()
    for volume in client.volumes.list(filters=mine):
        with contextlib.suppress(errors.NotFound):
            volume.remove(force=True)


def containers(client: DockerClient, project: str) -> list[Container]:
    """The project's containers, running or not."""
    return client.containers.list(
        all=True, ignore_removed=True, filters={"label": f"{LABEL}.project={project}"}
    )


def _remove(container: Container) -> None:
    with contextlib.suppress(errors.NotFound):
        container.remove(force=True, v=True)


def _networks(client: DockerClient, file: ComposeFile) -> None:
    for key, network in file.content["networks"].items():
        if client.networks.list(names=[f"^{network['name']}$"]):
            continue
        pools = [IPAMPool(subnet=each["subnet"]) for each in network.get("ipam", {}).get("config", [])]
        client.networks.create(
            network["name"],
            driver="bridge",
            labels=file.own_labels() | {f"{LABEL}.network": key},
            ipam=IPAMConfig(pool_configs=pools) if pools else None,
            check_duplicate=True,
        )


def _volumes(client: DockerClient, file: ComposeFile) -> None:
    for key, volume in file.content["volumes"].items():
        client.volumes.create(volume["name"], labels=file.own_labels() | {f"{LABEL}.volume": key})


def _create(client: DockerClient, file: ComposeFile, name: str) -> None:
    service, api = file.services[name], client.api
    ports = [each.split(":") for each in service.get("ports", [])]
    host: dict[str, Any] = api.create_host_config(
        binds=[_bind(file, each) for each in service.get("volumes", [])],
        port_bindings={inner: (address, int(outer)) for address, outer, inner in ports},
        restart_policy={"Name": service["restart"]} if "restart" in service else None,
        mem_limit=service.get("mem_limit"),
        nano_cpus=int(service["cpus"] * 1e9) if "cpus" in service else None,
        network_mode=_network(file, service),
        log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
    )
    endpoint = api.create_endpoint_config(aliases=[name])
    api.create_container(
        service["image"],
        command=service.get("command"),
        name=service["container_name"],
        environment=file.environment(name),
        labels=file.labels(name),
        ports=[int(inner) for _, _, inner in ports],
        host_config=host,
        networking_config={"EndpointsConfig": {_network(file, service): endpoint}},
        healthcheck=_health(service.get("healthcheck")),
        stop_signal=service.get("stop_signal"),
        stop_timeout=nanoseconds(service["stop_grace_period"]) // 10**9
        if "stop_grace_period" in service
        else None,
    )


def _network(file: ComposeFile, service: dict[str, Any]) -> str:
    [key] = service["networks"]
    return str(file.content["networks"][key]["name"])


def _bind(file: ComposeFile, mount: str) -> str:
    source, _, rest = mount.partition(":")
    if source.startswith("."):
        return f"{(file.path.parent / source).resolve()}:{rest}"
    return f"{file.content['volumes'][source]['name']}:{rest}"


def _health(check: dict[str, Any] | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return {
        "test": check["test"],
        "interval": nanoseconds(check["interval"]),
        "timeout": nanoseconds(check["timeout"]),
        "retries": check["retries"],
    }
