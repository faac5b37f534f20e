"""A Docker engine, and how it is reached."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from blocks.docker_errors import translated
from blocks.strict_block import StrictBlock

if TYPE_CHECKING:
    from docker import DockerClient

_POOL = 32
"""Connections per client: one client serves every thread of a process."""

_making = threading.Lock()


class DockerHost(StrictBlock):
    """Where a Docker engine listens. Credentials: the socket's owner, or client certificates in a folder."""

    _block_type_name = "Docker host (Backstop)"
    _block_type_slug = "backstop-docker-host"
    _description = "A Docker engine. Backstop refuses to act when another engine answers there."

    address: str = Field(
        default="unix:///var/run/docker.sock",
        pattern=r"^(unix:///[^\s]{1,100}|tcp://[A-Za-z0-9.\[\]:-]{1,200})$",
        title="Address",
        description="A socket, or tcp:// with client certificates.",
    )
    engine_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9:-]{8,80}$",
        title="Engine id",
        description="As `docker info` says. Checked before anything is changed; empty: whoever answers.",
    )
    certificates: str | None = Field(
        default=None,
        pattern=r"^[/~][^\s]{0,400}$",
        title="Certificates",
        description="Folder with ca.pem, cert.pem and key.pem, as of DOCKER_CERT_PATH.",
    )
    timeout_seconds: int = Field(default=30, ge=1, le=600, title="Longest wait for an answer, in seconds")

    @model_validator(mode="after")
    def _is_not_open_to_all(self) -> DockerHost:
        if self.address.startswith("tcp://") and not self.certificates:
            raise ValueError(
                "an engine behind tcp:// needs `certificates`. Without them everybody who reaches it is root there"
            )
        return self

    def client(self) -> DockerClient:
        """The engine's client: one per process, usable from every thread.

        Raises:
            TransientFailure: the engine does not answer.
            StepFailed: it may not be reached.
        """
        with _making, translated(f"reach the Docker engine at {self.address}"):
            return _client(self.address, self.certificates, self.timeout_seconds)


@functools.cache
def _client(address: str, certificates: str | None, timeout_seconds: int) -> DockerClient:
    import docker
    from docker.tls import TLSConfig

    folder = Path(certificates or "").expanduser()
    tls = certificates and TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
        ca_cert=str(folder / "ca.pem"),
        verify=True,
    )
    client = docker.DockerClient(
        base_url=address,
        version="auto",
        timeout=timeout_seconds,
        tls=tls or False,
        user_agent="backstop",
        max_pool_size=_POOL,
    )
    # Else every call looks for a proxy in the environment, which takes as long as the rest of it.
    client.api.trust_env = not address.startswith("unix://")
    return client
