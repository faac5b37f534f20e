"""aws_dynamodb_table, aws_s3_bucket, aws_secretsmanager_secret and aws_sns_topic."""

from __future__ import annotations

from typing import Any, ClassVar

from tf.blocks import SetNestedBlock
from tf.schema import Attribute, Block
from tf.types import Bool, Map, Number, String

from sandbox.provider_resources.base import AwsResource, State, computed, text
from sandbox.provider_resources.clients import client

TAGS = Attribute("tags", Map(String()), optional=True)


class Table(AwsResource):
    """A table paid by request."""

    TYPE, SERVICE, NOUN, KEY = "dynamodb_table", "DynamoDB", "DynamoDB Table", "name"
    ATTRIBUTES = [
        text("name", required=True, requires_replace=True),
        text("hash_key", required=True, requires_replace=True),
        text("range_key", optional=True, requires_replace=True),
        text("billing_mode", optional=True, computed=True, default="PROVISIONED"),
        Attribute("deletion_protection_enabled", Bool(), optional=True, computed=True, default=False),
        TAGS,
        *computed("arn"),
    ]
    BLOCKS = [
        SetNestedBlock(
            "attribute", Block(attributes=[text("name", required=True), text("type", required=True)])
        ),
        SetNestedBlock(
            "point_in_time_recovery", Block(attributes=[Attribute("enabled", Bool(), required=True)])
        ),
    ]

    def make(self, planned: State) -> State:
        """Create it, then switch its recovery on."""
        keys = [{"AttributeName": planned["hash_key"], "KeyType": "HASH"}]
        if planned["range_key"]:
            keys.append({"AttributeName": planned["range_key"], "KeyType": "RANGE"})
        made = client("dynamodb").create_table(
            TableName=planned["name"],
            BillingMode=planned["billing_mode"],
            KeySchema=keys,
            AttributeDefinitions=[
                {"AttributeName": a["name"], "AttributeType": a["type"]} for a in planned["attribute"]
            ],
            DeletionProtectionEnabled=planned["deletion_protection_enabled"],
            Tags=[{"Key": key, "Value": value} for key, value in (planned["tags"] or {}).items()],
        )
        self._recovery(planned)
        return {**planned, "id": planned["name"], "arn": made["TableDescription"]["TableArn"]}

    def look(self, current: State) -> State | None:
        """Read it."""
        aws = client("dynamodb")
        try:
            now = aws.describe_table(TableName=current["id"])["Table"]
        except aws.exceptions.ResourceNotFoundException:
            return None
        backups = aws.describe_continuous_backups(TableName=current["id"])["ContinuousBackupsDescription"]
        status = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        keys = {key["KeyType"]: key["AttributeName"] for key in now["KeySchema"]}
        return {
            **current,
            "name": current["id"],
            "arn": now["TableArn"],
            "hash_key": keys["HASH"],
            "range_key": keys.get("RANGE"),
            "billing_mode": now.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "deletion_protection_enabled": bool(now.get("DeletionProtectionEnabled")),
            "attribute": [
                {"name": a["AttributeName"], "type": a["AttributeType"]} for a in now["AttributeDefinitions"]
            ],
            "point_in_time_recovery": [{"enabled": status == "ENABLED"}],
        }

    def change(self, current: State, planned: State) -> State:
        """Protection and recovery can change in place."""
        if current["deletion_protection_enabled"] != planned["deletion_protection_enabled"]:
            client("dynamodb").update_table(
                TableName=current["id"], DeletionProtectionEnabled=planned["deletion_protection_enabled"]
            )
        self._recovery(planned)
        return planned

    def remove(self, current: State) -> None:
        """Delete it with all its items."""
        client("dynamodb").delete_table(TableName=current["id"])

    @staticmethod
    def _recovery(planned: State) -> None:
        for block in planned["point_in_time_recovery"] or []:
            client("dynamodb").update_continuous_backups(
                TableName=planned["name"],
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": block["enabled"]},
            )


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
