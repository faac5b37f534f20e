"""aws_lambda_function_url."""

from __future__ import annotations

from typing import Any

from sandbox.provider_resources.aws_resource import AwsResource, State, computed, text
from sandbox.provider_resources.clients import client


class FunctionUrl(AwsResource):
    """The HTTP address of a function or of its alias."""

    TYPE, SERVICE, NOUN, KEY = "lambda_function_url", "Lambda", "Lambda Function URL", "function_name"
    ATTRIBUTES = [
        text("function_name", required=True, requires_replace=True),
        text("qualifier", optional=True, requires_replace=True),
        text("authorization_type", required=True),
        text("invoke_mode", optional=True, computed=True, default="BUFFERED"),
        *computed("function_arn", "function_url", "url_id"),
    ]

    def make(self, planned: State) -> State:
        """Create it."""
        made = client("lambda").create_function_url_config(
            AuthType=planned["authorization_type"], InvokeMode=planned["invoke_mode"], **_which(planned)
        )
        return _attributes(planned, made)

    def look(self, current: State) -> State | None:
        """Read it."""
        aws = client("lambda")
        try:
            found = aws.get_function_url_config(**_which(current))
        except aws.exceptions.ResourceNotFoundException:
            return None
        except aws.exceptions.ClientError as error:
            # moto names the error GenericResourcNotFound.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return _attributes({**current, "authorization_type": found["AuthType"]}, found)

    def change(self, current: State, planned: State) -> State:
        """Change who may call it."""
        client("lambda").update_function_url_config(AuthType=planned["authorization_type"], **_which(current))
        return planned

    def import_(self, ctx: Any, id: str) -> State:  # noqa: A002 - the name that Terraform's library gives it
        """`function` or `function/qualifier`, as the real provider takes it."""
        function, _, qualifier = id.partition("/")
        return {**super().import_(ctx, id), "function_name": function, "qualifier": qualifier or None}

    def remove(self, current: State) -> None:
        """Delete it; the function stays."""
        client("lambda").delete_function_url_config(**_which(current))


def _which(state: State) -> dict[str, Any]:
    qualifier = {"Qualifier": state["qualifier"]} if state["qualifier"] else {}
    return {"FunctionName": state["function_name"], **qualifier}


def _attributes(state: State, told: dict[str, Any]) -> State:
    url = told["FunctionUrl"]
    return {
        **state,
        "id": "/".join(filter(None, (state["function_name"], state["qualifier"]))),
        "function_arn": told["FunctionArn"],
        "function_url": url,
        "url_id": url.rstrip("/").rpartition("/")[2].partition(".")[0],
    }
