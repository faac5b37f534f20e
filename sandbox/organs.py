"""How the sandbox's own parts talk to its AWS: told apart from everybody else, so that faults spare them."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from sandbox.places import REGION

ORGAN = "sandbox-organ"
"""In the user agent of every request the sandbox itself makes. Faults never hit these."""

_making = threading.RLock()


def organ_client(service: str, endpoint: str) -> Any:
    """The sandbox's own client for a service: one per process and endpoint, usable from every thread."""
    with _making:
        return _client(service, endpoint)


@cache
def _client(service: str, endpoint: str) -> Any:
    from botocore.config import Config

    # No client-side validation of each call, no retries over minutes: these run every second.
    config = Config(
        user_agent_extra=ORGAN,
        connect_timeout=2,
        read_timeout=10,
        max_pool_connections=16,
        retries={"total_max_attempts": 2, "mode": "standard"},
    )
    return _session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",  # noqa: S106 - nothing checks it
        config=config,
    )


@cache
def _session() -> Any:
    from botocore.session import get_session

    return get_session()
