"""Tables and their past: copies restored from a point in time, and items put back from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from ledger.cases import current_case
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.restore_points import Comparison, RecoveryWindow, compare_items, identity, plain
from tasks._table_batches import MOST_READ, items_under, put_batch
from tasks.kinds import action, in_parallel, pause, probe

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

R = TypeVar("R")

_SEGMENTS = 4
_POLL_SECONDS = 5.0
_MOST_POLLS = 2160
"""Three hours: restoring takes AWS minutes to hours."""


@probe
def recovery_window(environment: Environment, table: str) -> RecoveryWindow:
    """Which moments a table can be restored to.

    Permissions: dynamodb:DescribeContinuousBackups
    """
    with translated(f"read the recovery window of {table}"):
        told = environment.aws.client("dynamodb").describe_continuous_backups(TableName=table)
    found = told["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    earliest, latest = found.get("EarliestRestorableDateTime"), found.get("LatestRestorableDateTime")
    return RecoveryWindow(
        enabled=found.get("PointInTimeRecoveryStatus") == "ENABLED",
        earliest=earliest.astimezone(UTC) if earliest else None,
        latest=latest.astimezone(UTC) if latest else None,
    )


@action(subject="{table}")
def back_up_table(environment: Environment, table: str) -> Effect:
    """Keep the whole table as it is now, as AWS's own backup, one for the incident. Repeating it changes nothing.

    Permissions: dynamodb:ListBackups, dynamodb:CreateBackup
    """
    client, case = environment.aws.client("dynamodb"), current_case.get()
    name = f"backstop-{case.incident_id if case else 'by-hand'}"
    with translated(f"back {table} up"):
        there = {
            backup.get("BackupName") for backup in client.list_backups(TableName=table)["BackupSummaries"]
        }
        if name in there:
            return Effect(subject=table, changed=False, after=name, detail="was backed up already")
        client.create_backup(TableName=table, BackupName=name)
    return Effect(subject=table, changed=True, after=name)


@action(subject="{copy}")
def restore_copy(environment: Environment, table: str, copy: str, at: datetime) -> Effect:
    """Restore a table as it was at a moment into a new table, and wait for it. Repeating it changes nothing.

    Permissions: dynamodb:DescribeTable, dynamodb:RestoreTableToPointInTime; and of the copy, which AWS fills as us,
    dynamodb:BatchWriteItem, dynamodb:DeleteItem, dynamodb:GetItem, dynamodb:PutItem, dynamodb:Query, dynamodb:Scan,
    dynamodb:UpdateItem

    Raises:
        StepFailed: another table has that name.
    """
    client = environment.aws.client("dynamodb")
    told, changed = _described(client, copy), False
    if told is None:
        with translated(f"restore {table} to {at:%Y-%m-%d %H:%M:%S}"):
            client.restore_table_to_point_in_time(
                SourceTableName=table,
                TargetTableName=copy,
                RestoreDateTime=at,
                BillingModeOverride="PAY_PER_REQUEST",
            )
        told, changed = _described(client, copy), True
    source = (told or {}).get("RestoreSummary", {}).get("SourceTableArn", "")
    if not source.endswith(f"/{table}"):
        raise StepFailed(
            f"The table {copy} is there, and was not restored from {table}.",
            hint="Rename or remove it by hand.",
        )
    for _ in range(_MOST_POLLS):
        if told and told["TableStatus"] == "ACTIVE":
            return Effect(subject=copy, changed=changed, after=f"{table} as of {at:%Y-%m-%d %H:%M:%S} UTC")
        pause(_POLL_SECONDS)
        told = _described(client, copy)
    raise StepFailed(
        f"{copy} is still not restored.", hint="Wait for AWS, then start again: it goes on from there."
    )


@probe
def compare_with_copy(environment: Environment, table: str, copy: str) -> Comparison:
    """Compare every item of a restored copy with the table. Pages pass through: nothing is held.

    Permissions: dynamodb:Scan, dynamodb:BatchGetItem
    """
    key = environment.lambda_platform.table(table).key

    def compare(then: list[dict[str, Any]], now: dict[str, dict[str, Any]]) -> Comparison:
        return compare_items(then, now, key)

    found = _each_chunk(environment, table, copy, compare)
    return Comparison(
        same=sum(each.same for each in found),
        changed=sum(each.changed for each in found),
        missing=sum(each.missing for each in found),
    )


@action(subject="{table}")
def put_back_from_copy(environment: Environment, table: str, copy: str) -> Effect:
    """Put items that differ or are missing back as the copy has them. Repeating it changes nothing.

    What came since under other keys stays. Nobody may write meanwhile: BatchWriteItem knows no conditions.

    Permissions: dynamodb:Scan, dynamodb:BatchGetItem, dynamodb:BatchWriteItem
    """
    client = environment.aws.client("dynamodb")
    key = environment.lambda_platform.table(table).key

    def mend(then: list[dict[str, Any]], now: dict[str, dict[str, Any]]) -> tuple[int, int]:
        wrong = [item for item in then if plain(now.get(identity(item, key))) != plain(item)]
        put_batch(client, table, wrong)
        return len(wrong), len(then)

    done = _each_chunk(environment, table, copy, mend)
    back, total = sum(each[0] for each in done), sum(each[1] for each in done)
    return Effect(
        subject=table,
        changed=back > 0,
        before=f"{total - back} of {total} items as they were",
        after=f"all {total} items as they were",
        detail=f"{back} items were put back from {copy}",
    )


def _each_chunk(
    environment: Environment,
    table: str,
    copy: str,
    do: Callable[[list[dict[str, Any]], dict[str, dict[str, Any]]], R],
) -> list[R]:
    """Do something with a hundred items of a copy at a time, and with what the table has under their keys."""
    client = environment.aws.client("dynamodb")
    key = environment.lambda_platform.table(table).key

    def segment(number: int) -> list[R]:
        done = []
        for page in _pages(client, copy, number):
            for start in range(0, len(page), MOST_READ):
                pause(0)  # ends here when another run took the incident over
                then = page[start : start + MOST_READ]
                done.append(do(then, items_under(client, table, key, then)))
        return done

    return list(chain.from_iterable(in_parallel([partial(segment, number) for number in range(_SEGMENTS)])))


def _pages(client: DynamoDBClient, table: str, segment: int) -> Iterator[list[dict[str, Any]]]:
    pages = client.get_paginator("scan").paginate(
        TableName=table, Segment=segment, TotalSegments=_SEGMENTS, ConsistentRead=True
    )
    several = iter(pages)
    while True:
        with translated(f"scan {table}"):
            page = next(several, None)
        if page is None:
            return
        yield page["Items"]


def _described(client: DynamoDBClient, table: str) -> Any:
    """What AWS tells about a table; None: there is none."""
    try:
        with translated(f"describe {table}"):
            return client.describe_table(TableName=table)["Table"]
    except NotThere:
        return None
