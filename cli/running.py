"""Where the parts that run here can be reached: from the environment, else as `backstop up` wrote it down."""

from __future__ import annotations

import os

PREFECT, WEBHOOK = "http://127.0.0.1:4200/api", "http://127.0.0.1:8081"


def prefect_address() -> str:
    """Prefect's API: PREFECT_API_URL, else where `backstop up` runs it, else Prefect's default."""
    return os.environ.get("PREFECT_API_URL") or _written("prefect") or PREFECT


def webhook_address() -> str:
    """The webhook receiver: BACKSTOP_WEBHOOK_PORT, else where `backstop up` runs it, else its default."""
    port = os.environ.get("BACKSTOP_WEBHOOK_PORT")
    host = os.environ.get("BACKSTOP_WEBHOOK_HOST") or "127.0.0.1"
    return f"http://{host}:{port}" if port else _written("webhook") or WEBHOOK


def _written(part: str) -> str:
    from blocks.settings import settings

    path = settings().home / "addresses" / part
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""
