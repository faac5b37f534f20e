"""The services of a stack as they run: looked at closely, stopped, and started until they are ready."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from blocks.docker_errors import Absent, translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.stacks import RUNNING, ContainerLook, StackLook, describe, may_run
from rules.start_failures import is_about_a_port, published, told_holders
from tasks._container_health import is_ready, patience
from tasks._port_holders import holders_of
from tasks._redis_saves import everything_is_on_disk
from tasks.containers import inspected, look_of, service_of
from tasks.kinds import action, in_parallel, pause, probe, scaled

_POLL_SECONDS = 0.1
_SAVING_SECONDS = 60
"""That long Redis may take to end: what it holds is at stake."""
_STARTS = 3
"""So often a container may start anew, after it was started, before waiting for it ends."""


@probe
def look_closely(environment: Environment) -> StackLook:
    """As `look_at_stack`, and a container whose health the engine has not asked about yet is asked here."""
    stack = environment.docker_stack
    client = stack.host.client()
    with translated(f"read the containers of the project {stack.project}"):
        found = inspected(client, stack.project)

    def asked(container: dict[str, Any]) -> ContainerLook:
        look = look_of(container)
        if look.state == RUNNING and look.health == "starting" and is_ready(client, container):
            return look.model_copy(update={"health": "healthy"})
        return look

    looks = in_parallel([partial(asked, each) for each in found])
    return StackLook(project=stack.project, containers=tuple(looks))


@action(subject="{service}", retries=5)
def stop_service(environment: Environment, service: str, runs_since: Sequence[str] = ()) -> Effect:
    """Stop the containers of a service; nothing is removed. Repeating it changes nothing.

    Redis saves first where only its memory holds its data. The engine starts none of them again by itself.

    Args:
        environment: Whose.
        service: Its name.
        runs_since: Only those started at these moments, as the engine wrote them; empty: all. What has been started
            since is left alone.

    Permissions: none of AWS

    Raises:
        TransientFailure: the engine does not answer.
        StepFailed: Redis cannot save.
    """
    stopped = [
        each
        for each in _containers(environment, service)
        if may_run(look_of(each)) and (not runs_since or each["State"]["StartedAt"] in runs_since)
    ]
    for each in stopped:
        stop_container(environment, each)
    names = ", ".join(str(each["Name"]).lstrip("/") for each in stopped)
    return Effect(subject=service, changed=bool(stopped), after="stopped", detail=names)


@action(subject="{service}", retries=5)
def start_service(environment: Environment, service: str) -> Effect:
    """Start a service and wait until its own health check passes. Repeating it changes nothing.

    Permissions: none of AWS

    Raises:
        TransientFailure: the engine does not answer.
        StepFailed: there is no container, its port is taken, or it does not become ready.
    """
    found, changed = _containers(environment, service), False
    if not found:
        raise StepFailed(f"There is no container of {service} to start.", hint="Make it again from a backup.")
    for each in found:
        changed = changed or not each["State"].get("Running") or bool(each["State"].get("Paused"))
        _start(environment, service, each)
    deadline = time.monotonic() + scaled(environment.docker_stack.verify_timeout_seconds)
    for each in found:
        _wait_until_ready(environment, str(each["Id"]), deadline)
    return Effect(subject=service, changed=changed, after="running and ready")


def _start(environment: Environment, service: str, container: dict[str, Any]) -> None:
    client = environment.docker_stack.host.client()
    try:
        with translated(f"start {service}"):
            if container["State"].get("Paused"):
                client.api.unpause(container["Id"])
            client.api.start(container["Id"])
    except StepFailed as error:
        if not is_about_a_port(error.message):
            raise
        holders = holders_of(environment, published(container["HostConfig"].get("PortBindings")))
        told = told_holders(holders) or "nobody holds it any more"
        raise StepFailed(f"Could not start {service}: {told}.", hint=error.hint) from error


def stop_container(environment: Environment, container: dict[str, Any]) -> None:
    """Stop an inspected container, giving it the time it was promised, and none where it would not listen.

    Raises:
        StepFailed: it is Redis, and what only its memory holds cannot be saved.
    """
    stack = environment.docker_stack
    client, name = stack.host.client(), str(container["Name"]).lstrip("/")
    seconds = patience(container, stack.host.address.startswith("unix://"))
    if service_of(container) == stack.redis.service:
        # A shutdown would save once more what is on the disk already: seconds, where it holds much.
        seconds = 0 if everything_is_on_disk(environment) else max(seconds, _SAVING_SECONDS)
    try:
        with translated(f"stop {name}"):
            client.api.stop(container["Id"], timeout=seconds)
    except Absent:
        return


def _wait_until_ready(environment: Environment, container: str, deadline: float) -> None:
    client, starts = environment.docker_stack.host.client(), set[str]()
    while True:
        with translated("see whether it runs"):
            told = client.api.inspect_container(container)
        if is_ready(client, told):
            return
        look = look_of(told)
        starts.add(look.started_at)
        if not may_run(look) or len(starts) > _STARTS:
            raise StepFailed(
                f"{look.service} does not stay up: {describe(look)}.",
                hint=f"`docker logs {look.name}` tells why.",
            )
        if time.monotonic() > deadline:
            raise StepFailed(
                f"{look.service} runs, but its own health check does not pass.",
                hint=f"`docker inspect {look.name}` and `docker logs {look.name}` tell more.",
            )
        pause(_POLL_SECONDS)


def _containers(environment: Environment, service: str) -> list[dict[str, Any]]:
    stack = environment.docker_stack
    with translated(f"find {service}"):
        return inspected(stack.host.client(), stack.project, service)
