"""What a Redis's append-only file consists of, read through the engine: the container may be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.docker_errors import Absent
from rules.redis_restores import AppendFiles, append_files
from rules.redis_settings import RedisSettings
from tasks._container_files import archived, small_file

if TYPE_CHECKING:
    from docker import DockerClient

_LIST_BYTES = 1 << 20


def append_files_of(client: DockerClient, container: str, settings: RedisSettings) -> AppendFiles | None:
    """The files its manifest lists; all that are there when that cannot be read; None when it has none."""
    listing = f"{settings.append_file}.manifest"
    text = small_file(client, container, f"{_folder(settings)}/{listing}", _LIST_BYTES)
    found = append_files(text.decode("utf-8", "replace")) if text is not None else None
    if found is None and settings.append_only:
        names = append_names_in(client, container, settings)
        numbers = [int(part) for name in names for part in name.split(".") if part.isdigit()]
        return AppendFiles(names=tuple(names), next_number=max(numbers, default=0) + 1)
    return found and found.model_copy(update={"names": (*found.names, listing)})


def append_names_in(client: DockerClient, container: str, settings: RedisSettings) -> list[str]:
    """Every file in its folder."""
    try:
        with archived(client, container, _folder(settings)) as tar:
            return [member.name.partition("/")[2] for member in tar if member.isreg()]
    except Absent:
        return []


def _folder(settings: RedisSettings) -> str:
    return f"{settings.directory.rstrip('/')}/{settings.append_directory}"
