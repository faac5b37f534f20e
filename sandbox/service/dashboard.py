"""Shows the scores, to callers with the key."""

from __future__ import annotations

import hmac
import json
import os
import time
from typing import Any

from . import health

KEY_SECONDS = 2.0
_key: list[tuple[float, str]] = []


def api_key() -> str:
    """The key callers must send, read again now and then so that a rotation reaches us."""
    if not _key or time.monotonic() - _key[0][0] > KEY_SECONDS:
        secret = health.client("secretsmanager").get_secret_value(
            SecretId=os.environ["API_KEY_SECRET"], VersionStage="AWSCURRENT"
        )
        _key[:] = [(time.monotonic(), secret["SecretString"])]
    return _key[0][1]


def summary() -> dict[str, Any]:
    """How many items there are, and their mean score."""
    found = health.client("dynamodb").scan(TableName=os.environ["ITEMS_TABLE"], Limit=500)["Items"]
    scores = [float(item["score"]["N"]) for item in found if "score" in item]
    return {"items": len(found), "mean_score": sum(scores) / len(scores) if scores else None}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one HTTP request."""
    try:
        wanted = api_key()
    except Exception as error:  # noqa: BLE001 - whatever it is, callers cannot be told apart now
        return answer(
            503, {"status": "unhealthy", "release": health.release(), "error": type(error).__name__}
        )
    given = event.get("headers", {}).get("x-api-key", "")
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        return answer(401, {"status": "unauthorized"})
    if event.get("rawPath") == "/health":
        told = health.report()
        if told["status"] == "healthy":
            told["checks"]["summary"] = summary()["items"] >= 0
        return answer(200 if told["status"] == "healthy" else 503, told)
    return answer(200, summary())


def answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """An answer of a function URL."""
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
