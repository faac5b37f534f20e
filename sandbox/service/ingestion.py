"""Takes texts in."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from . import health


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Store each text of the event, or report health."""
    if event.get("action") == "health":
        return health.report()
    texts = event.get("texts", [])
    now = datetime.now(UTC).isoformat()
    for number, text in enumerate(texts):
        item = {
            "source_id": {"S": text["source_id"]},
            "timestamp": {"S": f"{now}#{number:04}"},
            "text": {"S": text["text"]},
        }
        health.client("dynamodb").put_item(TableName=os.environ["ITEMS_TABLE"], Item=item)
    return {"stored": len(texts), "release": health.release()}
