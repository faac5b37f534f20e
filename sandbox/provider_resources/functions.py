"""aws_lambda_function."""

from __future__ import annotations

from typing import Any

from tf.blocks import SetNestedBlock
from tf.schema import Attribute, Block
from tf.types import Bool, List, Map, Number, String

from sandbox.provider_resources.aws_resource import AwsResource, State, computed, text, unknown
from sandbox.provider_resources.clients import client

_CODE = ("s3_bucket", "s3_key", "source_code_hash")
_SETTINGS = {
    "memory_size": "MemorySize",
    "timeout": "Timeout",
    "handler": "Handler",
    "runtime": "Runtime",
    "role": "Role",
    "description": "Description",
}


class Function(AwsResource):
    """A function, its code in a bucket."""

    TYPE, SERVICE, NOUN, KEY = "lambda_function", "Lambda", "Lambda Function", "function_name"
    ATTRIBUTES = [
        text("function_name", required=True, requires_replace=True),
        text("role", required=True),
        text("handler", required=True),
        text("runtime", required=True),
        text("description", optional=True),
        text("s3_bucket", required=True),
        text("s3_key", required=True),
        text("source_code_hash", optional=True, computed=True),
        Attribute("memory_size", Number(), optional=True, computed=True, default=128),
        Attribute("timeout", Number(), optional=True, computed=True, default=3),
        Attribute("publish", Bool(), optional=True, computed=True, default=False),
        Attribute("architectures", List(String()), optional=True, computed=True, default=["x86_64"]),
        Attribute("tags", Map(String()), optional=True),
        *computed("arn", "qualified_arn", "version", "code_sha256"),
    ]
    BLOCKS = [
        SetNestedBlock(
            "environment", Block(attributes=[Attribute("variables", Map(String()), optional=True)])
        )
    ]

    def plan(self, ctx: Any, current: State | None, planned: State) -> State:
        """New code or settings make a new version when versions are published."""
        if current is None:
            return planned
        if ctx.changed_fields & {"s3_bucket", "s3_key"}:
            unknown(planned, "code_sha256")
            if "source_code_hash" not in ctx.changed_fields:
                unknown(planned, "source_code_hash")
        if planned["publish"] and ctx.changed_fields - {"tags", "publish"}:
            unknown(planned, "version", "qualified_arn")
        return planned

    def make(self, planned: State) -> State:
        """Create the function, and version 1 when versions are published."""
        client("lambda").create_function(
            FunctionName=planned["function_name"],
            Code={"S3Bucket": planned["s3_bucket"], "S3Key": planned["s3_key"]},
            Environment={"Variables": _variables(planned)},
            Publish=bool(planned["publish"]),
            Architectures=planned["architectures"],
            Tags=planned["tags"] or {},
            **_settings(planned),
        )
        return self._seen({**planned, "id": planned["function_name"]})

    def look(self, current: State) -> State | None:
        """Read it. Where its code came from is not in AWS's answer and stays as the state says."""
        aws = client("lambda")
        try:
            found = aws.get_function(FunctionName=current["id"])
        except aws.exceptions.ResourceNotFoundException:
            return None
        now = found["Configuration"]
        read = {name: now.get(key) for name, key in _SETTINGS.items()}
        read["description"] = read["description"] or None
        variables = now.get("Environment", {}).get("Variables", {})
        return {
            **current,
            **read,
            "function_name": current["id"],
            "environment": [{"variables": variables}] if variables else [],
            "tags": found.get("Tags") or None,
            "architectures": now.get("Architectures") or ["x86_64"],
            "source_code_hash": now["CodeSha256"],
            "code_sha256": now["CodeSha256"],
            "arn": now["FunctionArn"],
            **self._version(current),
        }

    def change(self, current: State, planned: State) -> State:
        """Settings first, then code, then publish, as the real provider does."""
        aws, name = client("lambda"), current["id"]
        if _settings(current) != _settings(planned) or _variables(current) != _variables(planned):
            aws.update_function_configuration(
                FunctionName=name, Environment={"Variables": _variables(planned)}, **_settings(planned)
            )
        if any(current[key] != planned[key] for key in _CODE[:2]):
            aws.update_function_code(
                FunctionName=name, S3Bucket=planned["s3_bucket"], S3Key=planned["s3_key"]
            )
        if planned["publish"]:
            aws.publish_version(FunctionName=name)
        if (current["tags"] or {}) != (planned["tags"] or {}):
            _tag(aws, current, planned)
        return self._seen(planned)

    def remove(self, current: State) -> None:
        """Delete it with all its versions."""
        client("lambda").delete_function(FunctionName=current["id"])

    def _seen(self, planned: State) -> State:
        now = client("lambda").get_function_configuration(FunctionName=planned["id"])
        hashes = {"source_code_hash": now["CodeSha256"], "code_sha256": now["CodeSha256"]}
        return {**planned, **hashes, "arn": now["FunctionArn"], **self._version(planned)}

    @staticmethod
    def _version(state: State) -> State:
        """The newest published version."""
        pages = client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=state["id"])
        newest = [version for page in pages for version in page["Versions"]][-1]
        arn = newest["FunctionArn"]
        qualified = arn if newest["Version"] == "$LATEST" or arn.endswith(f":{newest['Version']}") else None
        return {"version": newest["Version"], "qualified_arn": qualified or f"{arn}:{newest['Version']}"}


def _settings(state: State) -> dict[str, Any]:
    found = {key: state[name] for name, key in _SETTINGS.items() if state[name] is not None}
    return {key: int(value) if key in {"MemorySize", "Timeout"} else value for key, value in found.items()}


def _variables(state: State) -> dict[str, str]:
    blocks = state["environment"] or []
    return dict(blocks[0]["variables"] or {}) if blocks else {}


def _tag(aws: Any, current: State, planned: State) -> None:
    gone = sorted(set(current["tags"] or {}) - set(planned["tags"] or {}))
    if gone:
        aws.untag_resource(Resource=current["arn"], TagKeys=gone)
    if planned["tags"]:
        aws.tag_resource(Resource=current["arn"], Tags=planned["tags"])
