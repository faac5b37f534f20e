"""Whether a gateway would start with a declarative file, tried before the file is put in its place."""

from __future__ import annotations

import io
import secrets
import tarfile
from typing import Any

from blocks.docker_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Check, Verdict
from tasks._container_making import image_to_use
from tasks.backup_contents import MountedFile, read_backup
from tasks.kinds import probe

LABEL = "backstop.check"
_SECONDS = 30
_FILE = "backstop-declarative-check.yml"
_MOST_SAID = 400


@probe
def check_gateway_file(environment: Environment, backup: str) -> Check:
    """Let the gateway's own image parse the backup's declarative file, in a throw-away container without a network.

    `kong config parse` is Kong's validator; the runbook's `kong config -c FILE` names Kong's own configuration, and
    judges nothing.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        StepFailed: there is nothing to check it with.
    """
    stack, contents = environment.docker_stack, read_backup.fn(environment, backup)
    file = _declarative(environment, contents.mounted)
    name = "declarative file"
    if file is None or stack.gateway is None:
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=f"the backup {backup} has none")
    [wanted, *_] = contents.state.of(stack.gateway.service)
    client = stack.host.client()
    api: Any = client.api
    with translated("make a container that checks the declarative file"):
        made = api.create_container(
            image_to_use(client, wanted),
            command=["kong", "config", "parse", f"/tmp/{_FILE}"],  # noqa: S108 - inside the container
            name=f"backstop-check-{secrets.token_hex(4)}",
            labels={LABEL: stack.project},
            host_config=api.create_host_config(network_mode="none", mem_limit="256m"),
        )["Id"]
    try:
        with translated("check the declarative file"):
            api.put_archive(made, "/tmp", _tar(file.content))  # noqa: S108 - inside the container
            api.start(made)
            code = int(api.wait(made, timeout=_SECONDS)["StatusCode"])
            said = api.logs(made, tail=20).decode("utf-8", "replace")
    finally:
        with translated("remove the container that checked"):
            api.remove_container(made, force=True, v=True)
    if code in (126, 127):
        raise StepFailed("The gateway's image has no `kong config parse`.", hint="Check the file by hand.")
    told = " ".join(said.split())[-_MOST_SAID:]
    return Check(name=name, verdict=Verdict.FAIL if code else Verdict.PASS, reason=told or "it can be parsed")


def _declarative(environment: Environment, mounted: tuple[MountedFile, ...]) -> MountedFile | None:
    """The gateway's own file, by where it lies on the host."""
    gateway = environment.docker_stack.gateway
    if gateway is None or gateway.declarative_file is None:
        return None
    return next((each for each in mounted if str(each.source) == gateway.declarative_file), None)


def _tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(_FILE)
        info.size, info.mode = len(content), 0o644
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
