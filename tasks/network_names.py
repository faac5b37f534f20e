"""The names inside a stack's networks, asked for from inside its containers: the host's name server knows none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from blocks.docker_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.network_health import NameLook
from tasks.containers import inspected, service_of
from tasks.kinds import in_parallel, probe

_ASK = """
command -v getent >/dev/null || command -v nslookup >/dev/null || exit 9
command -v timeout >/dev/null && limit='timeout 3'
for name in "$@"; do
    ( $limit getent hosts "$name" || $limit nslookup "$name" || echo "unknown $name" >&3 ) >/dev/null 2>&1 &
done 3>&1
wait
"""
"""getent is in glibc's images, nslookup in busybox's; what has neither cannot be asked."""


@probe
def ask_for_names(environment: Environment, peers: Mapping[str, Sequence[str]]) -> list[NameLook]:
    """Ask from inside each running service for the names of those it shares a network with.

    Permissions: none of AWS
    """
    stack = environment.docker_stack
    with translated(f"find the containers of {stack.project}"):
        running = {
            service_of(each): str(each["Id"])
            for each in inspected(stack.host.client(), stack.project)
            if each["State"].get("Running") and not each["State"].get("Paused")
        }
    asked = [name for name in sorted(peers) if name in running and peers[name]]
    return (
        in_parallel([partial(_asked, environment, name, running[name], peers[name]) for name in asked])
        if asked
        else []
    )


def _asked(environment: Environment, service: str, container: str, names: Sequence[str]) -> NameLook:
    api = environment.docker_stack.host.client().api
    try:
        with translated(f"ask for names in {service}"):
            made = api.exec_create(container, ["sh", "-c", _ASK, "sh", *names])
            said = api.exec_start(made["Id"]).decode("utf-8", "replace")
            code = api.exec_inspect(made["Id"])["ExitCode"]
    except StepFailed as error:
        return NameLook(service=service, trouble=error.message)
    unknown = tuple(
        line.removeprefix("unknown ") for line in said.splitlines() if line.startswith("unknown ")
    )
    trouble = "" if code == 0 else "it has nothing to ask with: neither a shell with getent nor nslookup"
    return NameLook(service=service, unknown=unknown, trouble=trouble)
