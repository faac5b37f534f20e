"""A stand-in for registry.terraform.io/hashicorp/aws, speaking Terraform's plugin protocol through PyPI's `tf`.

It knows the resources of `sandbox/infrastructure` with the real provider's attribute names, so that the same HCL
runs on the real one. It reaches AWS as every SDK does: AWS_ENDPOINT_URL and AWS_* credentials.

    python -m sandbox.provider        started by Terraform, never by hand
"""

from __future__ import annotations

from typing import Any

from tf.iface import Provider
from tf.runner import run_provider
from tf.schema import Attribute, Schema
from tf.types import Set, String

from sandbox.provider_resources import clients
from sandbox.provider_resources.alarms import CompositeAlarm, MetricAlarm
from sandbox.provider_resources.aliases import Alias
from sandbox.provider_resources.aws_resource import AwsResource
from sandbox.provider_resources.function_urls import FunctionUrl
from sandbox.provider_resources.functions import Function
from sandbox.provider_resources.stores import Bucket, Secret, Topic
from sandbox.provider_resources.tables import Table

VERSION = "5.99.0"
"""The release of the real provider whose attribute names these are."""

RESOURCES: list[type[AwsResource]] = [
    Function,
    Alias,
    FunctionUrl,
    Table,
    Bucket,
    Secret,
    Topic,
    MetricAlarm,
    CompositeAlarm,
]


class Aws(Provider):  # type: ignore[misc]  # PyPI tf is untyped
    """The provider itself: a region, and the accounts it may be used on."""

    def get_model_prefix(self) -> str:
        """What all its resource types begin with."""
        return "aws_"

    def full_name(self) -> str:
        """Its address in the registry."""
        return "registry.terraform.io/hashicorp/aws"

    def get_provider_schema(self, diags: Any) -> Schema:
        """Its own settings."""
        return Schema(
            attributes=[
                Attribute("region", String(), optional=True),
                Attribute("allowed_account_ids", Set(String()), optional=True),
            ]
        )

    def validate_config(self, diags: Any, config: dict[str, Any]) -> None:
        """Nothing to check before AWS is reached."""

    def configure_provider(self, diags: Any, config: dict[str, Any]) -> None:
        """Refuse credentials of an account that is not allowed, as the real provider does."""
        if config.get("region"):
            clients.use_region(config["region"])
        allowed = config.get("allowed_account_ids")
        if allowed:
            account = clients.client("sts").get_caller_identity()["Account"]
            if account not in allowed:
                diags.add_error(f"AWS account ID not allowed: {account}", "")

    def get_data_sources(self) -> list[Any]:
        """None."""
        return []

    def get_resources(self) -> list[type[AwsResource]]:
        """Every resource type it knows."""
        return RESOURCES


if __name__ == "__main__":
    run_provider(Aws())
