"""Drill fault: some items of a table are damaged, as by code that writes nonsense; only a person can say so.

An attribute of each is renamed, not overwritten: the service misses it, the item differs from every backup, and nothing
is lost. What it was stays in the item itself: no value is read into a note, a file or a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.drills import FaultName
from rules.errors import RecoveryRefused, StepFailed
from rules.restore_points import RecoveryWindow, moment_before
from rules.spoilt_items import digest, spoilt_attribute
from tasks._table_batches import key_of
from tasks.drill_faults.kind import DrillFault, Note, Wish
from tasks.kinds import in_parallel
from tasks.table_restores import recovery_window

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_DRILL, _TABLE, _SINCE, _ITEMS = "drill", "table", "damaged since", "items"
_MOST, _LOOKED_AT = 10, 50
"""Items that are damaged, of the first so many of the table."""
_SEGMENTS = 4
_NAME, _VALUE = "backstop_drill_name", "backstop_drill_value"
"""Attributes of a damaged item: what the missing one was called, and what it holds."""


def prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    """Which items, and from when on they are damaged.

    Permissions: dynamodb:DescribeContinuousBackups, dynamodb:Scan
    """
    known = [table.name for table in environment.lambda_platform.tables]
    if wish.table not in known:
        raise RecoveryRefused(
            f"{wish.table} is no table of {environment.name}.",
            hint=f"Correct `table` in `drills.allowed`; there is: {', '.join(known) or 'none'}.",
        )
    for table, window in _windows(environment).items():
        if not window.enabled:
            raise RecoveryRefused(
                f"{table} remembers no past: what is damaged could not be put back.",
                hint="Switch point-in-time recovery on, then drill.",
            )
    key = environment.lambda_platform.table(wish.table).key
    since = datetime.now(UTC).isoformat()
    items = _first(environment, wish.table)
    if any(_NAME in item for item in items):
        raise RecoveryRefused(
            f"Items of {wish.table} are damaged by a drill already.", hint="Let `backstop resume` undo it."
        )
    chosen = [digest(item, key, wish.drill) for item in items if spoilt_attribute(item, key)][:_MOST]
    if not chosen:
        raise RecoveryRefused(f"{wish.table} holds no item to damage.", hint="Drill where there is data.")
    return {_DRILL: wish.drill, _TABLE: wish.table, _SINCE: since, _ITEMS: ",".join(chosen)}


def inject(environment: Environment, note: Note) -> None:
    """Take an attribute away from each of the chosen items.

    Permissions: dynamodb:Scan, dynamodb:UpdateItem

    Raises:
        StepFailed: not one of them is there any more.
    """
    table, chosen = note[_TABLE], set(note[_ITEMS].split(","))
    client, key = environment.aws.client("dynamodb"), environment.lambda_platform.table(table).key
    damaged = False
    for item in _first(environment, table):
        name = spoilt_attribute(item, key)
        if not name or digest(item, key, note[_DRILL]) not in chosen:
            continue
        damaged |= _NAME in item or _update(
            client,
            table,
            key_of(item, key),
            "SET #n = :n, #v = #a REMOVE #a",
            "attribute_exists(#a) AND attribute_not_exists(#n)",
            name,
        )
    if not damaged:
        raise StepFailed(f"The items that were chosen are not in {table} any more.", hint="Drill again.")


def undo(environment: Environment, note: Note) -> str:
    """Give each item that still misses it its attribute back; where there is a new one, that stays.

    Permissions: dynamodb:Scan, dynamodb:UpdateItem
    """
    table, client = note[_TABLE], environment.aws.client("dynamodb")
    key = environment.lambda_platform.table(table).key
    left = [item for item in _chosen(environment, note) if _NAME in item]
    for item in left:
        name, where = str(item[_NAME]["S"]), key_of(item, key)
        back = ("SET #a = #v REMOVE #n, #v", "attribute_not_exists(#a) AND #n = :n")
        if not _update(client, table, where, *back, name):
            _update(client, table, where, "REMOVE #n, #v", "#n = :n", name)
    return f"{len(left)} items of {table} were damaged still" if left else ""


def marked(environment: Environment, note: Note) -> dict[str, str]:
    """How many of the chosen items are there, and how many of them are damaged.

    Permissions: dynamodb:Scan
    """
    there = _chosen(environment, note)
    damaged = sum(_NAME in item for item in there)
    return {f"items of {note[_TABLE]}": f"{len(there)} there, {damaged} of them damaged"}


def word(environment: Environment, note: Note) -> Mapping[str, object] | None:
    """Since when data is damaged, as soon as every table can be restored to the moment before.

    Permissions: dynamodb:DescribeContinuousBackups
    """
    at = moment_before(datetime.fromisoformat(note[_SINCE]))
    early = [w for w in _windows(environment).values() if w.latest is None or w.latest < at]
    return None if early else {"data_damaged_since": note[_SINCE]}


def _windows(environment: Environment) -> dict[str, RecoveryWindow]:
    """Of every table: a restore takes all of them back."""
    tables = [table.name for table in environment.lambda_platform.tables]
    found = in_parallel([partial(recovery_window, environment, table) for table in tables])
    return dict(zip(tables, found, strict=True))


def _first(environment: Environment, table: str) -> list[dict[str, Any]]:
    """The table's first items, in an order that does not change."""
    with translated(f"scan {table}"):
        page = environment.aws.client("dynamodb").scan(TableName=table, Limit=_LOOKED_AT, ConsistentRead=True)
    return page["Items"]


def _chosen(environment: Environment, note: Note) -> list[dict[str, Any]]:
    """The chosen items, wherever they are: their keys, and whether they are damaged. Pages pass through."""
    table, chosen = note[_TABLE], set(note[_ITEMS].split(","))
    client, key = environment.aws.client("dynamodb"), environment.lambda_platform.table(table).key
    names = {f"#k{number}": name for number, name in enumerate((*key, _NAME))}

    def segment(number: int) -> list[dict[str, Any]]:
        with translated(f"scan {table}"):
            pages = client.get_paginator("scan").paginate(
                TableName=table, Segment=number, TotalSegments=_SEGMENTS, ConsistentRead=True,
                ProjectionExpression=", ".join(names), ExpressionAttributeNames=names,
            )  # fmt: skip
            return [
                item for page in pages for item in page["Items"] if digest(item, key, note[_DRILL]) in chosen
            ]

    found = in_parallel([partial(segment, number) for number in range(_SEGMENTS)])
    return [item for part in found for item in part]


def _update(
    client: DynamoDBClient, table: str, key: dict[str, Any], change: str, condition: str, attribute: str
) -> bool:
    """Change one item, if it is as `condition` says: whether it was."""
    names = {"#a": attribute, "#n": _NAME, "#v": _VALUE}
    used = {short: name for short, name in names.items() if short in f"{change} {condition}"}
    with translated(f"change an item of {table}"):
        try:
            client.update_item(
                TableName=table,
                Key=key,
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames=used,
                ExpressionAttributeValues={":n": {"S": attribute}},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
    return True


POLLUTED_TABLE = DrillFault(FaultName.POLLUTED_TABLE, prepare, inject, undo, marked, word)
