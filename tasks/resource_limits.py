"""What a stack's containers use, what their host has left, and setting their limits back."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from blocks.docker_errors import Absent, translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.resource_use import HostLook, UseLook, can_be_updated, changed_limits
from tasks.backup_contents import read_backup
from tasks.containers import inspected, look_of
from tasks.kinds import action, in_parallel, pause, probe
from tasks.stack_states import live_stack

_BETWEEN_SECONDS = 1.0


@probe
def resource_use(environment: Environment) -> list[UseLook]:
    """What each container uses, and how often it is held back, over about a second.

    Permissions: none of AWS
    """
    stack = environment.docker_stack
    with translated(f"read what {stack.project} uses"):
        found = inspected(stack.host.client(), stack.project)
    before = _figures(environment, found)
    pause(_BETWEEN_SECONDS)
    after = _figures(environment, found)
    return [_use(each, then, now) for each, then, now in zip(found, before, after, strict=True)]


@probe
def host_room(environment: Environment) -> HostLook:
    """What disk and memory the engine's host has left; nothing is known of another machine.

    Permissions: none of AWS
    """
    host = environment.docker_stack.host
    if not host.address.startswith("unix://"):
        return HostLook()
    with translated("ask the engine where its data is"):
        root = str(host.client().info()["DockerRootDir"])
    place = Path(root)
    while not place.exists():
        place = place.parent
    disk = shutil.disk_usage(place)
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    told = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
    return HostLook(disk=disk.free / disk.total, memory=told["MemAvailable"] / told["MemTotal"])


@action(subject="limits of {service}", retries=5)
def restore_limits(environment: Environment, backup: str, service: str) -> Effect:
    """Set the limits of a service's containers as a backup has them, while they run. Repeating it changes nothing.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        TransientFailure: the engine does not answer.
        StepFailed: the engine cannot set them without making the container again.
    """
    wanted = {each.name: each for each in read_backup.fn(environment, backup).state.of(service)}
    told: list[str] = []
    api: Any = environment.docker_stack.host.client().api
    for each in live_stack.fn(environment).of(service):
        changed = changed_limits(each, wanted[each.name]) if each.name in wanted else {}
        if not changed:
            continue
        if not can_be_updated(changed):
            raise StepFailed(
                f"{service} had no limit of {', '.join(changed)}: it has to be made again for that."
            )
        # The SDK's own call does not know NanoCpus, which is what Compose sets.
        limits: dict[str, Any] = {name: was for name, (_, was) in changed.items()}
        if changed.keys() & {"Memory", "MemorySwap"}:
            limits |= {name: wanted[each.name].host.get(name) or 0 for name in ("Memory", "MemorySwap")}
        with translated(f"set the limits of {each.name}"):
            answer = api.post(f"{api.base_url}/v{api.api_version}/containers/{each.id}/update", json=limits)
            api._raise_for_status(answer)  # noqa: SLF001 - makes the SDK's own errors of it
        told += [f"{name} {now} → {was}" for name, (now, was) in changed.items()]
    return Effect(subject=service, changed=bool(told), after=f"limits as in {backup}", detail=", ".join(told))


def _figures(environment: Environment, containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    api: Any = environment.docker_stack.host.client().api

    def one(container: dict[str, Any]) -> dict[str, Any]:
        try:
            with translated("read what a container uses"):
                told: dict[str, Any] = api.stats(container["Id"], stream=False, one_shot=True)
                return told
        except Absent:
            return {}

    return in_parallel([partial(one, each) for each in containers]) if containers else []


def _use(container: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> UseLook:
    look, memory = look_of(container), after.get("memory_stats") or {}
    limited = bool(container["HostConfig"].get("Memory")) and memory.get("limit")
    # Cache is given back when it is needed: it is not what fills a container.
    detail = memory.get("stats") or {}
    cached = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    used = (memory.get("usage", 0) - cached) / memory["limit"] if limited else 0.0
    periods, held = (_delta(before, after, name) for name in ("periods", "throttled_periods"))
    return UseLook(
        service=look.service,
        oom_killed=look.oom_killed,
        memory=used,
        throttled=held / periods if periods > 0 else 0.0,
    )


def _delta(before: dict[str, Any], after: dict[str, Any], name: str) -> int:
    then, now = (
        int((((each.get("cpu_stats") or {}).get("throttling_data")) or {}).get(name, 0))
        for each in (before, after)
    )
    return now - then
