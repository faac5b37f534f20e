"""aws_s3_bucket, aws_secretsmanager_secret and aws_sns_topic."""

from __future__ import annotations

from typing import Any, ClassVar

from tf.schema import Attribute
from tf.types import Map, Number, String

from sandbox.provider_resources.aws_resource import AwsResource, State, computed, text
from sandbox.provider_resources.clients import client

TAGS = Attribute("tags", Map(String()), optional=True)


class _Named(AwsResource):
    """A resource that is little more than its name."""

    GONE: ClassVar[frozenset[str]]
    """Error codes that say there is none."""

    def change(self, current: State, planned: State) -> State:
        """Nothing of it can change but what the state keeps."""
        return planned

    def look(self, current: State) -> State | None:
        """Read it."""
        from botocore.exceptions import ClientError

        try:
            return self.found(current)
        except ClientError as error:
            if error.response["Error"]["Code"] in self.GONE:
                return None
            raise

    def found(self, current: State) -> State:
        """Its attributes as AWS has them."""
        raise NotImplementedError


class Bucket(_Named):
    """A bucket."""

    TYPE, SERVICE, NOUN, KEY = "s3_bucket", "S3", "S3 Bucket", "bucket"
    ATTRIBUTES = [text("bucket", required=True, requires_replace=True), TAGS, *computed("arn")]
    GONE = frozenset({"404", "NoSuchBucket"})

    def make(self, planned: State) -> State:
        """Create it."""
        client("s3").create_bucket(Bucket=planned["bucket"])
        return {**planned, "id": planned["bucket"], "arn": f"arn:aws:s3:::{planned['bucket']}"}

    def found(self, current: State) -> State:
        """It is there when its head is."""
        client("s3").head_bucket(Bucket=current["id"])
        return {**current, "bucket": current["id"], "arn": f"arn:aws:s3:::{current['id']}"}

    def remove(self, current: State) -> None:
        """Delete it; AWS refuses while it holds anything."""
        client("s3").delete_bucket(Bucket=current["id"])


class Secret(_Named):
    """The place of a secret; its value never passes through Terraform."""

    TYPE, SERVICE, NOUN, KEY = "secretsmanager_secret", "Secrets Manager", "Secrets Manager Secret", "name"
    ATTRIBUTES = [
        text("name", required=True, requires_replace=True),
        text("description", optional=True),
        Attribute("recovery_window_in_days", Number(), optional=True, computed=True, default=30),
        TAGS,
        *computed("arn"),
    ]
    GONE = frozenset({"ResourceNotFoundException"})

    def make(self, planned: State) -> State:
        """Create it without a value."""
        described = {"Description": planned["description"]} if planned["description"] else {}
        made = client("secretsmanager").create_secret(Name=planned["name"], **described)
        return {**planned, "id": made["ARN"], "arn": made["ARN"]}

    def found(self, current: State) -> State:
        """Described, never read."""
        now = client("secretsmanager").describe_secret(SecretId=current["id"])
        described = now.get("Description") or None
        return {**current, "id": now["ARN"], "arn": now["ARN"], "name": now["Name"], "description": described}

    def remove(self, current: State) -> None:
        """Mark it for deletion."""
        days = int(current["recovery_window_in_days"])
        how: dict[str, Any] = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        client("secretsmanager").delete_secret(SecretId=current["id"], **how)


class Topic(_Named):
    """A topic that alarms are published to."""

    TYPE, SERVICE, NOUN, KEY = "sns_topic", "SNS", "SNS Topic", "name"
    ATTRIBUTES = [
        text("name", required=True, requires_replace=True),
        Attribute("signature_version", Number(), optional=True, computed=True, default=1),
        TAGS,
        *computed("arn"),
    ]
    GONE = frozenset({"NotFound", "NotFoundException"})

    def make(self, planned: State) -> State:
        """Create it."""
        arn = client("sns").create_topic(
            Name=planned["name"], Attributes={"SignatureVersion": str(int(planned["signature_version"]))}
        )["TopicArn"]
        return {**planned, "id": arn, "arn": arn}

    def found(self, current: State) -> State:
        """Its attributes."""
        now = client("sns").get_topic_attributes(TopicArn=current["id"])["Attributes"]
        version = int(now.get("SignatureVersion", current["signature_version"] or 1))
        return {
            **current,
            "arn": current["id"],
            "name": current["id"].rpartition(":")[2],
            "signature_version": version,
        }

    def remove(self, current: State) -> None:
        """Delete it."""
        client("sns").delete_topic(TopicArn=current["id"])
