"""How a Redis keeps its data: as it runs, and as it will when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from blocks.redis_errors import translated
from rules.redis_settings import DEFAULTS, RedisSettings, config_path, from_answer, from_files, says_where
from tasks._container_files import small_file

if TYPE_CHECKING:
    from docker import DockerClient
    from redis import Redis

_LARGEST = 1 << 20


def settings_of(redis: Redis, client: DockerClient, container: dict[str, Any]) -> RedisSettings:
    """How it keeps its data now, whether or not CONFIG was renamed away."""
    from redis.exceptions import NoPermissionError, ResponseError

    with translated("ask Redis for its settings"):
        info: dict[str, Any] = redis.info("everything")
        version = str(info["redis_version"])
        try:
            told = {name: str(value) for each in DEFAULTS for name, value in redis.config_get(each).items()}
            return from_answer(cast("dict[str, str]", told), version)
        except (ResponseError, NoPermissionError):
            pass  # renamed, or not allowed: its files say the same
    text = _text(client, container, str(info.get("config_file") or ""))
    return from_files(
        text, command_of(container), _directory(container), version, bool(info.get("aof_enabled"))
    )


def settings_at_start(client: DockerClient, container: dict[str, Any], known: RedisSettings) -> RedisSettings:
    """How it will keep its data once it starts; `known` from before, where its command does not show it."""
    command = command_of(container)
    if not says_where(command):
        return known
    text = _text(client, container, config_path(command))
    return from_files(text, command, _directory(container), known.version)


def command_of(container: dict[str, Any]) -> list[str]:
    """What an inspected container runs."""
    return [str(container.get("Path") or ""), *(container.get("Args") or [])]


def _directory(container: dict[str, Any]) -> str:
    return str(container["Config"].get("WorkingDir") or "/")


def _text(client: DockerClient, container: dict[str, Any], file: str) -> str:
    content = small_file(client, container["Id"], file, _LARGEST) if file else None
    return (content or b"").decode("utf-8", "replace")
