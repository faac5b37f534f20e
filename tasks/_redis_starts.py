"""Redis's container stopped so that nothing is saved, and started so that it is known what it read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from blocks.docker_errors import translated as docker_translated
from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.backups import DATA, BackupManifest
from rules.errors import StepFailed
from rules.redis_health import load_fault
from rules.redis_restores import Loaded
from rules.redis_settings import RedisSettings
from tasks._redis_settings import settings_of
from tasks.containers import inspected
from tasks.kinds import pause
from tasks.redis_data import connection, look_at_redis

if TYPE_CHECKING:
    from docker import DockerClient
    from redis import Redis

_STOP_TRIES, _POLL_SECONDS = 100, 0.05
_LOAD_SECONDS, _BYTES_A_SECOND = 60.0, 5 << 20


def redis_container(environment: Environment) -> dict[str, Any]:
    """The inspect of Redis's container, in whatever state it is.

    Raises:
        StepFailed: there is none.
    """
    stack = environment.docker_stack
    with docker_translated("find Redis's container"):
        for container in inspected(stack.host.client(), stack.project, stack.redis.service):
            return container
    raise StepFailed(
        f"The project {stack.project} has no container of {stack.redis.service}.",
        hint="Make it first: the scenario stack-rollback does.",
    )


def runs(container: dict[str, Any]) -> bool:
    """Whether an inspected container runs, or is about to again."""
    return bool(container["State"].get("Running") or container["State"].get("Restarting"))


def stop(client: DockerClient, container: str) -> None:
    """Kill it: it must not save, and the engine must not start it again as it does after a shutdown."""
    for _ in range(_STOP_TRIES):
        with docker_translated("stop Redis"):
            state = client.api.inspect_container(container)["State"]
            if state.get("Paused"):
                client.api.unpause(container)
            elif state.get("Restarting"):
                client.api.stop(container, timeout=0)
            elif state.get("Running"):
                client.api.kill(container)
            else:
                return
        pause(_POLL_SECONDS)
    raise StepFailed("Redis's container does not stop.", hint="Look at the engine of that host.")


def start(environment: Environment, container: dict[str, Any], manifest: BackupManifest) -> Loaded:
    """Start Redis and wait until it has read its data; what it read.

    Raises:
        StepFailed: it does not start with what lies there.
    """
    begun = launch(environment, container)
    seconds = _LOAD_SECONDS + manifest.file(DATA).size / _BYTES_A_SECOND
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        look = look_at_redis.fn(environment)
        if look.answers and not look.loading:
            with connection(environment, timeout_seconds=30) as redis:
                return _loaded(redis, manifest)
        refuse_crashed(environment, container, begun, look.reason)
        pause(_POLL_SECONDS)
    raise StepFailed(f"Redis did not read its data within {seconds:.0f} s.", hint="Is its disk slow?")


def settings_now(environment: Environment, container: dict[str, Any]) -> RedisSettings:
    """How the Redis that runs keeps its data."""
    with connection(environment, timeout_seconds=30) as redis:
        return settings_of(redis, environment.docker_stack.host.client(), container)


def launch(environment: Environment, container: dict[str, Any]) -> str:
    """Start Redis's container, if it does not run; since when it runs."""
    api = environment.docker_stack.host.client().api
    with docker_translated("start Redis"):
        api.start(container["Id"])
        return str(api.inspect_container(container["Id"])["State"]["StartedAt"])


def _loaded(redis: Redis, manifest: BackupManifest) -> Loaded:
    with translated("ask Redis what it read"):
        told = redis.info("persistence")
        keys, expired = told.get("rdb_last_load_keys_loaded"), told.get("rdb_last_load_keys_expired")
        canary = redis.hget(manifest.data.canary_key, manifest.id) if manifest.data.canary_key else ""
        return Loaded(
            read=None if keys is None else int(keys) + int(expired or 0),
            held=int(redis.dbsize()),
            canary=str(canary or ""),
        )


def refuse_crashed(environment: Environment, container: dict[str, Any], begun: str, reason: str) -> None:
    """Refuse when Redis ended since it was launched.

    Raises:
        StepFailed: it did; says what it said of its data.
    """
    client = environment.docker_stack.host.client()
    with docker_translated("see whether Redis runs"):
        state = client.api.inspect_container(container["Id"])["State"]
        if state["Running"] and state["StartedAt"] == begun:
            return
        said = client.api.logs(container["Id"], tail=50).decode("utf-8", "replace").splitlines()
    raise StepFailed(
        f"Redis does not start: {load_fault(said) or reason}.",
        hint=f"`docker logs {container['Name'].lstrip('/')}` tells more.",
    )
