"""The containers of a Docker stack: whose engine it is, what runs of this project, and in which state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks.docker_errors import translated
from blocks.environment import Environment
from rules.stacks import ContainerLook, StackLook
from rules.values import Frozen
from tasks.kinds import probe

if TYPE_CHECKING:
    from docker import DockerClient

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"

REPLACEMENT = ".backstop-new"
"""Ends the name of a container that is about to take another one's place; it counts only once it has."""


class EngineIdentity(Frozen):
    """What an engine says of itself."""

    id: str
    name: str
    version: str


@probe
def engine_identity(environment: Environment) -> EngineIdentity:
    """Ask the engine who it is."""
    host = environment.docker_stack.host
    with translated(f"ask the Docker engine of {environment.name} who it is"):
        told = host.client().info()
    return EngineIdentity(
        id=str(told.get("ID", "")), name=str(told.get("Name", "")), version=str(told.get("ServerVersion", ""))
    )


@probe
def look_at_stack(environment: Environment) -> StackLook:
    """Which containers the project has and how each of them is. Other projects are never looked at."""
    stack = environment.docker_stack
    with translated(f"read the containers of the project {stack.project}"):
        found = inspected(stack.host.client(), stack.project)
    return StackLook(project=stack.project, containers=tuple(look_of(each) for each in found))


def inspected(client: DockerClient, project: str, service: str = "") -> list[dict[str, Any]]:
    """The full inspect of the project's containers, or of one service's, by service.

    Replacements and `docker compose run` are left out. Docker compares labels whole: a project whose name only begins
    so is another one.
    """
    found = inspected_with_replacements(client, project, service)
    return [each for each in found if not str(each["Name"]).endswith(REPLACEMENT)]


def inspected_with_replacements(
    client: DockerClient, project: str, service: str = ""
) -> list[dict[str, Any]]:
    """As `inspected`, with the containers that are about to take another one's place."""
    labels = [f"{PROJECT}={project}", *([f"{SERVICE}={service}"] if service else [])]
    listed = client.containers.list(all=True, ignore_removed=True, filters={"label": labels})
    found = [each.attrs for each in listed if each.labels.get(ONE_OFF, "False") != "True"]
    return sorted(found, key=lambda attributes: (service_of(attributes), str(attributes["Name"])))


def service_of(attributes: dict[str, Any]) -> str:
    """The Compose service of an inspected container."""
    return str((attributes["Config"].get("Labels") or {}).get(SERVICE, ""))


def look_of(attributes: dict[str, Any]) -> ContainerLook:
    """What matters of an inspected container."""
    state = attributes["State"]
    return ContainerLook(
        id=str(attributes["Id"]),
        name=str(attributes["Name"]).lstrip("/"),
        service=service_of(attributes),
        image=str(attributes["Image"]),
        state=str(state.get("Status", "")),
        health=str((state.get("Health") or {}).get("Status", "")),
        exit_code=int(state.get("ExitCode") or 0),
        error=str(state.get("Error") or ""),
        oom_killed=bool(state.get("OOMKilled")),
        restarts=int(attributes.get("RestartCount") or 0),
        started_at=str(state.get("StartedAt") or ""),
    )


@probe
def recent_log(environment: Environment, service: str, lines: int = 100) -> list[str]:
    """What the service's containers said last, oldest first; nothing when it has none."""
    stack = environment.docker_stack
    said: list[str] = []
    with translated(f"read what {service} said"):
        client = stack.host.client()
        for attributes in inspected(client, stack.project, service):
            told = client.api.logs(attributes["Id"], tail=lines, stdout=True, stderr=True)
            said += told.decode("utf-8", "replace").splitlines()
    return said
