"""Who holds a port of an engine's host: a container by its name, or a process by name and id."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

import psutil

from blocks.docker_errors import translated
from blocks.environment import Environment
from rules.start_failures import PortHolder


def holders_of(environment: Environment, ports: Collection[int]) -> list[PortHolder]:
    """Who holds which of these ports: a container of the engine, else a process of this host."""
    host, found = environment.docker_stack.host, {}
    if not ports:
        return []
    with translated("see which containers publish ports"):
        for each in host.client().api.containers():
            for port in each.get("Ports") or []:
                if port.get("PublicPort") in ports:
                    found[int(port["PublicPort"])] = f"the container {each['Names'][0].lstrip('/')}"
    if host.address.startswith("unix://"):
        for each in psutil.net_connections("inet"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port in ports:
                found.setdefault(int(each.laddr.port), _process(each.pid))
    return [PortHolder(port=port, holder=holder) for port, holder in sorted(found.items())]


def _process(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    with contextlib.suppress(psutil.Error):
        return f"the process {psutil.Process(pid).name()} ({pid})"
    return f"the process {pid}"
