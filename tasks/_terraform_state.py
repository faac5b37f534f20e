"""The lock of a Terraform state, read where the S3 backend keeps it, without Terraform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import StepFailed
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


def same_place(code: Path, other: Path) -> bool:
    """Whether two folders of code were prepared for the same state."""
    one, two = _backend(code), _backend(other)
    if one is None or two is None:
        return False
    return all(one.get(key) == two.get(key) for key in ("bucket", "key", "endpoints"))


def read_saved_state(environment: Environment, code: Path) -> str:
    """The state that the backend holds, as text; empty: it holds none.

    Raises:
        StepFailed: it could not be read, or the backend is not S3.
    """
    backend = _backend(code)
    if backend is None:
        raise StepFailed(
            "The saved state can be read from an S3 backend only.",
            hint="Compare lineage and serial by hand: `terraform state pull`.",
        )
    client = environment.aws.client("s3")
    try:
        with translated("read the saved state"):
            body: bytes = client.get_object(Bucket=backend["bucket"], Key=backend["key"])["Body"].read()
    except NotThere:
        return ""
    return body.decode()


def _in_table(environment: Environment, table: str, lock_id: str) -> StateLock | None:
    with translated(f"read the state's lock in the table {table}"):
        client = environment.aws.client("dynamodb")
        item = client.get_item(TableName=table, Key={"LockID": {"S": lock_id}}, ConsistentRead=True).get(
            "Item"
        )
    return from_json(item["Info"]["S"]) if item and "Info" in item else None


def _in_bucket(environment: Environment, bucket: str, key: str) -> StateLock | None:
    try:
        with translated(f"read the state's lock {key}"):
            body = environment.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except NotThere:
        return None
    return from_json(body.decode())


def write_state_lock(environment: Environment, code: Path, body: dict[str, str]) -> bool:
    """Take the lock of the state, in every place where Terraform would look; false: somebody else has it.

    `body` is the lock as Terraform writes it. Where it is held by the same id already, nothing is written.
    """
    backend = _backend(code)
    if backend is None:
        return False
    bucket, key, table = str(backend["bucket"]), str(backend["key"]), backend.get("dynamodb_table")
    text = json.dumps(body, separators=(",", ":"))
    if table:
        held = _in_table(environment, str(table), f"{bucket}/{key}")
        if held is None and not _put_item(environment, str(table), f"{bucket}/{key}", text):
            return False
        if held and held.id != body["ID"]:
            return False
    if backend.get("use_lockfile"):
        in_bucket = _in_bucket(environment, bucket, f"{key}.tflock")
        if in_bucket is None and _put_object(environment, bucket, f"{key}.tflock", text):
            return True
        return in_bucket is not None and in_bucket.id == body["ID"]
    return bool(table)


def remove_state_lock(environment: Environment, code: Path, lock_id: str) -> None:
    """Give the lock with this id back, wherever it is held; another one is left alone."""
    backend = _backend(code)
    if backend is None:
        return
    bucket, key, table = str(backend["bucket"]), str(backend["key"]), backend.get("dynamodb_table")
    if table:
        _delete_item(environment, str(table), f"{bucket}/{key}", lock_id)
    if backend.get("use_lockfile"):
        held = _in_bucket(environment, bucket, f"{key}.tflock")
        if held and held.id == lock_id:
            with translated("give the state's lock file back"):
                environment.aws.client("s3").delete_object(Bucket=bucket, Key=f"{key}.tflock")


def _put_item(environment: Environment, table: str, key: str, text: str) -> bool:
    from botocore.exceptions import ClientError

    item = {"LockID": {"S": key}, "Info": {"S": text}}
    with translated("take the state's lock"):
        try:
            environment.aws.client("dynamodb").put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(LockID)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
    return True


def _delete_item(environment: Environment, table: str, key: str, lock_id: str) -> None:
    from botocore.exceptions import ClientError

    with translated("give the state's lock back"):
        try:
            environment.aws.client("dynamodb").delete_item(
                TableName=table,
                Key={"LockID": {"S": key}},
                ConditionExpression="contains(Info, :id)",
                ExpressionAttributeValues={":id": {"S": lock_id}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise


def _put_object(environment: Environment, bucket: str, key: str, text: str) -> bool:
    from botocore.exceptions import ClientError

    with translated("take the state's lock file"):
        try:
            environment.aws.client("s3").put_object(
                Bucket=bucket, Key=key, Body=text.encode(), IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return False
            raise
    return True
