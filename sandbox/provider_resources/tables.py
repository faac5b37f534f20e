"""aws_dynamodb_table."""

from __future__ import annotations

from tf.blocks import SetNestedBlock
from tf.schema import Attribute, Block
from tf.types import Bool, Map, String

from sandbox.provider_resources.aws_resource import AwsResource, State, computed, text
from sandbox.provider_resources.clients import client


class Table(AwsResource):
    """A table paid by request."""

    TYPE, SERVICE, NOUN, KEY = "dynamodb_table", "DynamoDB", "DynamoDB Table", "name"
    ATTRIBUTES = [
        text("name", required=True, requires_replace=True),
        text("hash_key", required=True, requires_replace=True),
        text("range_key", optional=True, requires_replace=True),
        text("billing_mode", optional=True, computed=True, default="PROVISIONED"),
        Attribute("deletion_protection_enabled", Bool(), optional=True, computed=True, default=False),
        Attribute("tags", Map(String()), optional=True),
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
