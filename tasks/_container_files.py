"""Files of containers, copied out through the engine."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from blocks.docker_errors import Absent, translated
from rules.errors import TransientFailure
from tasks._backup_files import written

if TYPE_CHECKING:
    from docker import DockerClient


@contextlib.contextmanager
def archived(client: DockerClient, container: str, path: str) -> Iterator[tarfile.TarFile]:
    """What is at a path in a container, as a tar to be read once, front to back.

    The engine holds the container's lock until the whole answer was read: somebody who stops half way and keeps the
    connection, as the SDK's own `get_archive` does, makes every later look at that container wait for ever. So it is
    closed here, however reading ends.

    Raises:
        Absent: there is no such container or path.
    """
    import requests
    from docker.errors import create_api_error_from_http_exception

    api = client.api
    address = f"{api.base_url}/v{api.api_version}/containers/{quote(container)}/archive"
    with translated(f"read {path} of the container {container[:12]}"):
        # The engine would compress gigabytes that only cross a socket.
        plain = {"Accept-Encoding": "identity"}
        answer = api.get(address, params={"path": path}, headers=plain, stream=True, timeout=api.timeout)
        with contextlib.closing(answer):
            try:
                answer.raise_for_status()
            except requests.HTTPError as error:
                create_api_error_from_http_exception(error)
            try:
                with tarfile.open(fileobj=answer.raw, mode="r|") as tar:
                    yield tar
            except tarfile.ReadError as error:
                raise TransientFailure(
                    f"The engine did not send all of {path}.", hint="It is tried again."
                ) from error


def small_file(client: DockerClient, container: str, path: str, largest: int) -> bytes | None:
    """A file of a container; None when it is not there, is a folder, or is larger than `largest` bytes."""
    found = small_member(client, container, path, largest)
    return found[1] if found else None


def small_member(
    client: DockerClient, container: str, path: str, largest: int
) -> tuple[tarfile.TarInfo, bytes] | None:
    """As `small_file`, with its owner and mode."""
    try:
        with archived(client, container, path) as tar:
            first = tar.next()
            if first is None or not first.isreg() or first.size > largest:
                return None
            content = tar.extractfile(first)
            return (first, content.read()) if content else None
    except Absent:
        return None


def copy_out(client: DockerClient, container: str, path: str, target: Path) -> None:
    """Copy a file of a container, of any size.

    Raises:
        Absent: there is no such file.
        StepFailed: no space is left.
    """
    with archived(client, container, path) as tar, written(f"copy {path}", target.parent):
        first = tar.next()
        content = tar.extractfile(first) if first is not None and first.isreg() else None
        with target.open("wb") as file:
            if content is not None:
                shutil.copyfileobj(content, file, 1 << 20)
