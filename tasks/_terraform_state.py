"""The lock of a Terraform state, read where the S3 backend keeps it, without Terraform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.state_locks import StateLock, from_json


def read_state_lock(environment: Environment, code: Path) -> StateLock | None:
    """Who holds the lock of the state that `code` was prepared for; None: nobody, or a backend we cannot read.

    Both places are looked at: the lock table, and the lock file beside the state.
    """
    backend = _backend(code)
    if backend is None:
        return None
    bucket, key = str(backend["bucket"]), str(backend["key"])
    table = backend.get("dynamodb_table")
    if table:
        lock = _in_table(environment, str(table), f"{bucket}/{key}")
        if lock:
            return lock
    return _in_bucket(environment, bucket, f"{key}.tflock") if backend.get("use_lockfile") else None


def _backend(code: Path) -> dict[str, Any] | None:
    """The backend as `terraform init` wrote it down."""
    try:
        told = json.loads((code / ".terraform" / "terraform.tfstate").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError):
        return None
    if told.get("type") != "s3":
        return None
    config: dict[str, Any] = told["config"]
    return config


def _in_table(environment: Environment, table: str, lock_id: str) -> StateLock | None:
    with translated(f"read the state's lock in the table {table}"):
        client = environment.account.client("dynamodb")
        item = client.get_item(TableName=table, Key={"LockID": {"S": lock_id}}, ConsistentRead=True).get(
            "Item"
        )
    return from_json(item["Info"]["S"]) if item and "Info" in item else None


def _in_bucket(environment: Environment, bucket: str, key: str) -> StateLock | None:
    try:
        with translated(f"read the state's lock {key}"):
            body = environment.account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except NotThere:
        return None
    return from_json(body.decode())
