"""How the kit asks AWS."""

from __future__ import annotations

import os
from typing import Any


def client(service: str) -> Any:
    """A client that says whose it is, and tries once."""
    from botocore.config import Config
    from botocore.session import get_session

    mark = f"itk/{os.environ.get('ITK_RUN_ID', '')}"
    config = Config(retries={"total_max_attempts": 1}, user_agent_extra=mark)
    return get_session().create_client(
        service, endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), config=config
    )
