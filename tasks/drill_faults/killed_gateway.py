"""Drill fault: the gateway of a Docker stack is killed, and nobody starts it again."""

from __future__ import annotations

from typing import Any

from blocks.docker_errors import Absent, translated
from blocks.environment import Environment
from rules.drills import FaultName
from rules.errors import RecoveryRefused
from tasks.containers import inspected
from tasks.drill_faults.kind import DrillFault, Note, Wish

_CONTAINER, _SERVICE = "container", "service"


def prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    """Which container is the gateway's.

    Permissions: none of AWS
    """
    gateway = environment.docker_stack.gateway
    if gateway is None:
        raise RecoveryRefused("This stack names no gateway.", hint="Name it in the environment's file.")
    found = _containers(environment, gateway.service)
    if len(found) != 1 or not found[0]["State"]["Running"]:
        raise RecoveryRefused(f"The gateway {gateway.service} does not run once.", hint="Recover it first.")
    return {_CONTAINER: str(found[0]["Id"]), _SERVICE: gateway.service}


def inject(environment: Environment, note: Note) -> None:
    """Kill it. Docker does not start what was killed on purpose, whatever the restart policy says.

    Permissions: none of AWS
    """
    with translated(f"kill the container of {note[_SERVICE]}"):
        environment.docker_stack.host.client().containers.get(note[_CONTAINER]).kill()


def undo(environment: Environment, note: Note) -> str:
    """Start it again, if it is there and does not run; one that was replaced is left alone.

    Permissions: none of AWS
    """
    running = [each for each in _containers(environment, note[_SERVICE]) if each["State"]["Running"]]
    if running:
        return ""
    try:
        with translated(f"start the container of {note[_SERVICE]}"):
            environment.docker_stack.host.client().containers.get(note[_CONTAINER]).start()
    except Absent:
        return ""  # a recovery has taken it away: what became of it is the recovery's
    return f"{note[_SERVICE]} was still down"


def _containers(environment: Environment, service: str) -> list[dict[str, Any]]:
    stack = environment.docker_stack
    with translated(f"read the containers of {service}"):
        return inspected(stack.host.client(), stack.project, service)


KILLED_GATEWAY = DrillFault(FaultName.KILLED_GATEWAY, prepare, inject, undo)
