"""AWS clients of the provider: making one costs more than a call, so each is made once and early."""

from __future__ import annotations

import os
import threading
from typing import Any

_lock = threading.Lock()
_clients: dict[str, Any] = {}
_region: list[str] = []
_sessions: list[Any] = []


def use_region(region: str) -> None:
    """The region of every client made from now on."""
    _region[:] = [region]


def warm_up(services: tuple[str, ...]) -> None:
    """Load what the clients of these services are made from, for the processes forked from this one."""
    from botocore.session import get_session

    _sessions[:] = [get_session()]
    loader = _sessions[0].get_component("data_loader")
    for service in services:
        for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
            loader.load_service_model(service, kind)
    loader.load_data("endpoints")
    loader.load_data("partitions")


def client(service: str) -> Any:
    """The client of a service."""
    with _lock:
        if service not in _clients:
            _clients[service] = _make(service)
        return _clients[service]


def _make(service: str) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    if not _sessions:
        _sessions.append(get_session())
    region = _region[0] if _region else os.environ.get("AWS_REGION", "us-east-1")
    config = Config(
        user_agent_extra="terraform-provider-aws/stand-in",
        retries={"total_max_attempts": 3, "mode": "standard"},
        connect_timeout=3,
        read_timeout=20,
        parameter_validation=False,
    )
    return _sessions[0].create_client(service, region_name=region, config=config)
