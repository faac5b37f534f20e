"""Where moto's DynamoDB differs from AWS in ways that matter, put right: the point in time counts, pages are cheap."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime
from typing import Any

CREATING_SECONDS = 1.0
"""A restored table cannot be used before."""


def install() -> None:
    """Correct moto in this process: it remembers what items were, restores only inside the window, scans quickly."""
    from moto.dynamodb import models, responses
    from moto.dynamodb.models import table

    _remember(models, table)
    _restore_to_the_moment(responses)
    _take_a_while(table)
    _sort_by_plain_keys(table)


def _remember(models: Any, table: Any) -> None:
    """Before every write to a table with point-in-time recovery, what was under the key."""
    put, delete, update = table.Table.put_item, table.Table.delete_item, models.DynamoDBBackend.update_item

    def put_item(self: Any, item_attrs: dict[str, Any], *given: Any, **more: Any) -> Any:
        _note(self, item_attrs)
        return put(self, item_attrs, *given, **more)

    def delete_item(self: Any, hash_key: Any, range_key: Any) -> Any:
        _note_key(self, hash_key, range_key)
        return delete(self, hash_key, range_key)

    def update_item(self: Any, table_name: str, key: dict[str, Any], *given: Any, **more: Any) -> Any:
        _note(self.get_table(table_name), key)
        return update(self, table_name, key, *given, **more)

    table.Table.put_item, table.Table.delete_item = put_item, delete_item
    models.DynamoDBBackend.update_item = update_item


def _note(table: Any, attributes: dict[str, Any]) -> None:
    from moto.dynamodb.models.dynamo_type import DynamoType

    names = [name for name in (table.hash_key_attr, table.range_key_attr) if name]
    if all(name in attributes for name in names):
        keys = [DynamoType(attributes[name]) for name in names]
        _note_key(table, keys[0], keys[1] if len(keys) > 1 else None)


def _note_key(table: Any, hash_key: Any, range_key: Any) -> None:
    recovery = table.continuous_backups["PointInTimeRecoveryDescription"]
    if recovery["PointInTimeRecoveryStatus"] == "ENABLED":
        was = copy.deepcopy(table.get_item(hash_key, range_key))
        vars(table).setdefault("past", []).append((time.time(), hash_key, range_key, was))


def _restore_to_the_moment(responses: Any) -> None:
    from moto.core.responses import ActionResult
    from moto.dynamodb.exceptions import DynamodbException

    restore = responses.DynamoHandler.restore_table_to_point_in_time

    class Refused(DynamodbException):
        def __init__(self, kind: str, message: str) -> None:
            super().__init__(f"com.amazonaws.dynamodb.v20120810#{kind}", message)

    def window(self: Any, name: str) -> dict[str, Any]:
        told = self.dynamodb_backend.describe_continuous_backups(name)
        found: dict[str, Any] = told["PointInTimeRecoveryDescription"]
        if found["PointInTimeRecoveryStatus"] == "ENABLED":
            found["LatestRestorableDateTime"] = int(time.time())
        return found

    def restore_table_to_point_in_time(self: Any) -> Any:
        body = self.body
        found = window(self, body["SourceTableName"])
        asked = body.get("RestoreDateTime")
        if asked and not asked.tzinfo:
            asked = asked.replace(tzinfo=UTC)
        moment = asked.timestamp() if asked else time.time()
        if found["PointInTimeRecoveryStatus"] != "ENABLED":
            raise Refused("PointInTimeRecoveryUnavailableException", "Point in time recovery is not enabled")
        if not int(found["EarliestRestorableDateTime"]) <= moment <= time.time():
            raise Refused("InvalidRestoreTimeException", "The restore time is outside the window")
        answer = restore(self)
        made = self.dynamodb_backend.get_table(body["TargetTableName"])
        _rewind(made, self.dynamodb_backend.get_table(body["SourceTableName"]), moment)
        made.restore_date_time = datetime.fromtimestamp(moment, UTC)
        return answer

    def describe_continuous_backups(self: Any) -> Any:
        window(self, self.body["TableName"])
        told = self.dynamodb_backend.describe_continuous_backups(self.body["TableName"])
        return ActionResult({"ContinuousBackupsDescription": told})

    responses.DynamoHandler.restore_table_to_point_in_time = restore_table_to_point_in_time
    responses.DynamoHandler.describe_continuous_backups = describe_continuous_backups


def _rewind(made: Any, source: Any, moment: float) -> None:
    """Take back, newest first, what was written after the moment."""
    for at, hash_key, range_key, was in reversed(vars(source).get("past", [])):
        if at <= moment:
            return
        if was is None:
            made.delete_item(hash_key, range_key)
        elif range_key is None:
            made.items[hash_key] = copy.deepcopy(was)
        else:
            made.items[hash_key][range_key] = copy.deepcopy(was)


def _take_a_while(table: Any) -> None:
    describe = table.RestoredPITTable.describe

    def described(self: Any, base_key: str = "TableDescription") -> dict[str, Any]:
        told: dict[str, Any] = describe(self, base_key=base_key)
        begun = vars(self).setdefault("begun", time.time())
        if time.time() - begun < CREATING_SECONDS:
            told[base_key]["TableStatus"] = "CREATING"
            told[base_key]["RestoreSummary"]["RestoreInProgress"] = True
        return told

    table.RestoredPITTable.describe = described


def _sort_by_plain_keys(table: Any) -> None:
    """DynamoDB sorts nothing to give a page; moto sorts every item for each, comparing wrapped keys time and again."""

    def plain_key(item: Any) -> Any:
        plain = item.hash_key.cast_value
        return (plain, item.range_key.cast_value) if item.range_key else plain

    def all_items(self: Any) -> list[Any]:
        several = self.items.values()
        items = [item for one in several for item in one.values()] if self.range_key_attr else list(several)
        return sorted(items, key=plain_key)

    table.Table.all_items = all_items
