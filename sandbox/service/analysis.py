"""Scores texts."""

from __future__ import annotations

import os
from typing import Any

from . import health

GOOD = {"good", "great", "love", "happy", "win"}
BAD = {"bad", "awful", "hate", "sad", "loss"}


def score(text: str) -> int:
    """Good words minus bad words."""
    words = [word.strip(".,!?").lower() for word in text.split()]
    return sum(word in GOOD for word in words) - sum(word in BAD for word in words)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Score every item that has no score yet, or report health."""
    if event.get("action") == "health":
        return health.report()
    table, scored = os.environ["ITEMS_TABLE"], 0
    for page in health.client("dynamodb").get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            if "score" not in item and "text" in item:
                health.client("dynamodb").update_item(
                    TableName=table,
                    Key={"source_id": item["source_id"], "timestamp": item["timestamp"]},
                    UpdateExpression="SET #score = :score",
                    ExpressionAttributeNames={"#score": "score"},
                    ExpressionAttributeValues={":score": {"N": str(score(item["text"]["S"]))}},
                )
                scored += 1
    return {"scored": scored, "release": health.release()}
