"""What a practice stack is called and where it listens: chosen once, so that it comes back where it was."""

from __future__ import annotations

import contextlib
import secrets
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a stack listens on 127.0.0.1, and the network it has to itself."""

    project: str
    """Begins every name. Nobody else's begins so, except the foreign stack's, on purpose."""
    subnet: str
    redis: int
    proxy: int
    admin: int
    front: int


def free_addresses() -> Addresses:
    """Ports nobody uses, and a network of its own in 10.x."""
    held = [socket.socket() for _ in range(4)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in held]
    with contextlib.ExitStack() as closing:
        for one in held:
            closing.callback(one.close)
    subnet = f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}.0/24"
    return Addresses(f"claude-{secrets.token_hex(3)}", subnet, *ports)
