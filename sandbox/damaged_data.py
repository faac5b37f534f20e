"""Data that broken code damages: items changed and deleted from a moment on, and new ones between them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from sandbox.world import Sandbox

WHOLE, CHANGED, DELETED, NEWER = 40, 10, 5, 3
"""Items there were, and what became of them."""


def damage(sandbox: Sandbox, environment: str) -> None:
    """Some items get another text, some go, some come."""
    client, table = sandbox.client("dynamodb"), sandbox.place(environment).table
    for number in range(WHOLE):
        client.put_item(TableName=table, Item=item(number, "a good day"))
    time.sleep(1.1)  # a table is restored to whole seconds
    moment = datetime.now(UTC)
    for number in range(CHANGED):
        client.put_item(TableName=table, Item=item(number, "garbage"))
    for number in range(CHANGED, CHANGED + DELETED):
        client.delete_item(
            TableName=table, Key={name: item(number, "")[name] for name in ("source_id", "timestamp")}
        )
    for number in range(WHOLE, WHOLE + NEWER):
        client.put_item(TableName=table, Item=item(number, "came since"))
    _kept(sandbox).write_text(moment.isoformat(), encoding="utf-8")


def forget(sandbox: Sandbox, environment: str) -> None:
    """As if there had been no such items."""
    client, table = sandbox.client("dynamodb"), sandbox.place(environment).table
    for number in range(WHOLE + NEWER):
        client.delete_item(
            TableName=table, Key={name: item(number, "")[name] for name in ("source_id", "timestamp")}
        )
    _kept(sandbox).unlink(missing_ok=True)


def since(sandbox: Sandbox) -> str:
    """When the damage began; empty: there was none."""
    kept = _kept(sandbox)
    return kept.read_text(encoding="utf-8") if kept.exists() else ""


def item(number: int, text: str) -> dict[str, dict[str, str]]:
    """One item of the service."""
    stamp = f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00"
    return {"source_id": {"S": f"collected-{number}"}, "timestamp": {"S": stamp}, "text": {"S": text}}


def _kept(sandbox: Sandbox) -> Path:
    return sandbox.home.path / "run" / "damaged-since.txt"
