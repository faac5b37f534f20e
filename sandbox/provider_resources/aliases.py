"""aws_lambda_alias."""

from __future__ import annotations

from typing import Any

from sandbox.provider_resources.aws_resource import AwsResource, State, computed, text
from sandbox.provider_resources.clients import client


class Alias(AwsResource):
    """A name for a version of a function."""

    TYPE, SERVICE, NOUN, KEY = "lambda_alias", "Lambda", "Lambda Alias", "name"
    ATTRIBUTES = [
        text("name", required=True, requires_replace=True),
        text("function_name", required=True, requires_replace=True),
        text("function_version", required=True),
        text("description", optional=True),
        *computed("arn", "invoke_arn"),
    ]

    def make(self, planned: State) -> State:
        """Create it."""
        made = client("lambda").create_alias(
            FunctionName=planned["function_name"],
            Name=planned["name"],
            FunctionVersion=planned["function_version"],
            Description=planned["description"] or "",
        )
        arn = made["AliasArn"]
        return {**planned, "id": arn, "arn": arn, "invoke_arn": f"{arn}/invocations"}

    def look(self, current: State) -> State | None:
        """Read which version it names."""
        aws = client("lambda")
        try:
            now = aws.get_alias(FunctionName=current["function_name"], Name=current["name"])
        except aws.exceptions.ResourceNotFoundException:
            return None
        arn = now["AliasArn"]
        return {
            **current,
            "id": arn,
            "arn": arn,
            "invoke_arn": f"{arn}/invocations",
            "function_version": now["FunctionVersion"],
            "description": now.get("Description") or None,
        }

    def change(self, current: State, planned: State) -> State:
        """Point it at another version."""
        client("lambda").update_alias(
            FunctionName=current["function_name"],
            Name=current["name"],
            FunctionVersion=planned["function_version"],
            Description=planned["description"] or "",
        )
        return planned

    def remove(self, current: State) -> None:
        """Delete it."""
        client("lambda").delete_alias(FunctionName=current["function_name"], Name=current["name"])

    def import_(self, ctx: Any, id: str) -> State:  # noqa: A002 - the name that Terraform's library gives it
        """`function/alias`, as the real provider takes it."""
        function, _, name = id.partition("/")
        return {**super().import_(ctx, id), "function_name": function, "name": name}
