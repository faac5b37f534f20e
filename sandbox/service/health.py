"""Whether a function can do its work right now."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import boto3


@cache
def client(name: str) -> Any:
    """One client per function instance."""
    make: Any = boto3.client
    return make(name)


def release() -> str:
    """The commit this package was built from."""
    return (Path(__file__).parent / "release.txt").read_text(encoding="utf-8").strip()


def table_is_reachable() -> bool:
    """The table answers and can be used."""
    table = os.environ["ITEMS_TABLE"]
    return client("dynamodb").describe_table(TableName=table)["Table"]["TableStatus"] in {
        "ACTIVE",
        "UPDATING",
    }


def report() -> dict[str, Any]:
    """What a health check is told. Whatever is wrong makes it unhealthy; nothing is hidden."""
    try:
        checks = {"table": table_is_reachable()}
    except Exception as error:  # noqa: BLE001 - a health check reports whatever it meets
        return {
            "status": "unhealthy",
            "release": release(),
            "checks": {"table": False},
            "error": type(error).__name__,
        }
    status = "healthy" if all(checks.values()) else "unhealthy"
    return {"status": status, "release": release(), "checks": checks}
