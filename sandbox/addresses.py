"""Where the sandbox's servers listen: ports on 127.0.0.1, chosen once, so that it comes back where it was."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Addresses:
    """One sandbox's ports."""

    aws: int
    invocations: int
    certificates: int
    github: int
    urls: dict[str, int]
    """Port of each function's URL, by function name."""

    @property
    def aws_url(self) -> str:
        """The AWS stand-in."""
        return f"http://127.0.0.1:{self.aws}"

    @property
    def github_url(self) -> str:
        """The GitHub stand-in's API."""
        return f"http://127.0.0.1:{self.github}"

    @property
    def certificate_url(self) -> str:
        """Where the SNS signing certificate is served."""
        return f"https://127.0.0.1:{self.certificates}/SimpleNotificationService-sandbox.pem"

    def function_url(self, function: str) -> str:
        """The URL of a function, ending in a slash as AWS's do."""
        return f"http://127.0.0.1:{self.urls[function]}/"


def free_addresses(functions: Sequence[str]) -> Addresses:
    """Ports nobody uses, all held until the last is found so that they differ."""
    held = [socket.socket() for _ in range(4 + len(functions))]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        ports = [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()
    aws, invocations, certificates, github, *others = ports
    return Addresses(aws, invocations, certificates, github, dict(zip(functions, others, strict=True)))
