"""DynamoDB tables: what a failed test run wrote to them is counted, kept and deleted; never the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.polluted_items import Selector, refuse_production
from rules.restore_points import identity
from tasks._kept_items import Chunks, KeptItems
from tasks._table_batches import MOST_READ, delete_batch, delete_if_same, items_under, key_of, put_if_absent
from tasks.kinds import action, in_parallel, pause, probe

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

R = TypeVar("R")

_ITEMS_PER_SEGMENT, _MOST_SEGMENTS = 100_000, 16
_WORKERS = 8


class Pollution(NamedTuple):
    """How many items of a table were looked at, and how many of them a run wrote."""

    scanned: int
    polluted: int


class _Deleted(NamedTuple):
    deleted: int = 0
    gone: int = 0
    rewritten: int = 0


class TableState(NamedTuple):
    """A table's status as AWS calls it, empty where there is none, and its key's attributes."""

    status: str
    key: tuple[str, ...]


@probe
def table_state(environment: Environment, table: str) -> TableState:
    """Whether a table is there, and what its key is.

    Permissions: dynamodb:DescribeTable
    """
    try:
        with translated(f"describe {table}"):
            told = environment.aws.client("dynamodb").describe_table(TableName=table)["Table"]
    except NotThere:
        return TableState("", ())
    key = sorted(told.get("KeySchema", ()), key=lambda part: part["KeyType"])
    return TableState(told.get("TableStatus", ""), tuple(part["AttributeName"] for part in key))


@probe
def count_polluted(environment: Environment, selector: Selector) -> Pollution:
    """How many items of a table a run wrote. Only marks are read.

    Permissions: dynamodb:DescribeTable, dynamodb:Scan
    """

    def count(segment: int, segments: int) -> Pollution:
        pages = _pages(environment, selector, (segment, segments), whole=False)
        counted = [(scanned, sum(map(selector.chooses, items))) for scanned, items in pages]
        return Pollution(*map(sum, zip(*counted, strict=True)))

    several = _by_segment(environment, selector.table, count)
    return Pollution(*map(sum, zip(*several, strict=True)))


@action(subject="{selector.table}")
def keep_polluted(environment: Environment, selector: Selector) -> Effect:
    """Copy what a run wrote to a private file of this host, whole and counted. Repeating it changes nothing.

    Permissions: dynamodb:DescribeTable, dynamodb:Scan

    Raises:
        RecoveryRefused: the environment is production.
    """
    refuse_production(environment.tier)
    copy = KeptItems(environment.name, selector)
    kept = copy.manifest()
    if kept:
        return Effect(
            subject=selector.table,
            changed=False,
            after=str(copy.path),
            detail=f"{kept.items} were kept already",
        )
    with copy.writing() as writer:

        def keep(segment: int, segments: int) -> None:
            for _, items in _pages(environment, selector, (segment, segments), whole=True):
                writer.add(filter(selector.chooses, items))
                pause(0)  # ends here when another run took the incident over

        _by_segment(environment, selector.table, keep)
    return Effect(
        subject=selector.table, changed=True, after=str(copy.path), detail=f"{writer.count} items are kept"
    )


@action(subject="{selector.table}")
def delete_polluted(environment: Environment, selector: Selector) -> Effect:
    """Delete exactly the items that were kept. Repeating it changes nothing.

    What was written anew under a kept key is left alone.

    Permissions: dynamodb:BatchGetItem, dynamodb:BatchWriteItem, dynamodb:DeleteItem

    Raises:
        RecoveryRefused: the environment is production.
        StepFailed: there is no whole copy of them; nothing was deleted.
    """
    refuse_production(environment.tier)
    copy = KeptItems(environment.name, selector)
    kept = copy.manifest()
    if kept is None:
        raise StepFailed(
            f"Nothing of {selector.table} was deleted: there is no copy of it on this host.",
            hint="Start again: the copy is made first.",
        )
    chunks, delete = copy.chunks(MOST_READ), _deleting(environment, selector)
    done = in_parallel([partial(_drain, chunks, delete)] * _WORKERS)
    deleted, gone, rewritten = map(sum, zip(*done, strict=True))
    told = [f"{deleted} deleted", f"{gone} were gone"] + (
        [f"{rewritten} written anew: left alone"] if rewritten else []
    )
    return Effect(
        subject=selector.table,
        changed=deleted > 0,
        before=f"{deleted + rewritten} items of run {selector.run}",
        after=f"{rewritten} items",
        detail=", ".join(told),
    )


@action(subject="{selector.table}")
def put_back_kept(environment: Environment, selector: Selector) -> Effect:
    """Put kept items back where their keys are free. Repeating it changes nothing.

    Permissions: dynamodb:PutItem
    """
    copy = KeptItems(environment.name, selector)
    kept = copy.manifest()
    if kept is None:
        return Effect(subject=selector.table, changed=False, detail="nothing was kept")
    client = environment.aws.client("dynamodb")

    def put(items: list[dict[str, Any]]) -> _Deleted:
        back = [put_if_absent(client, selector.table, selector.hash_key, item) for item in items]
        return _Deleted(deleted=sum(back))

    done = in_parallel([partial(_drain, copy.chunks(MOST_READ), put)] * _WORKERS)
    back = sum(each.deleted for each in done)
    return Effect(subject=selector.table, changed=back > 0, after=f"{back} of {kept.items} items are back")


def _drain(chunks: Chunks, do: Callable[[list[dict[str, Any]]], _Deleted]) -> _Deleted:
    several = [_Deleted()]
    for chunk in chunks:
        pause(0)  # ends here when another run took the incident over
        several.append(do(chunk))
    return _Deleted(*map(sum, zip(*several, strict=True)))


def _deleting(environment: Environment, selector: Selector) -> Callable[[list[dict[str, Any]]], _Deleted]:
    """The way to delete some kept items: in batches where their keys name the run, else each with its condition."""
    client = environment.aws.client("dynamodb")
    key = environment.lambda_platform.table(selector.table).key

    def in_batches(kept: list[dict[str, Any]]) -> _Deleted:
        there = items_under(client, selector.table, key, kept, only=selector.marks)
        found = [(item, there.get(identity(item, key))) for item in kept]
        same = [item for item, now in found if now and selector.same_writing(item, now)]
        delete_batch(client, selector.table, [key_of(item, key) for item in same])
        gone = sum(now is None for _, now in found)
        return _Deleted(len(same), gone, len(kept) - len(same) - gone)

    def one_by_one(kept: list[dict[str, Any]]) -> _Deleted:
        was = [delete_if_same(client, selector, key, item) for item in kept]
        return _Deleted(was.count(True), was.count(False), was.count(None))

    return in_batches if selector.key_names_run else one_by_one


def _by_segment(environment: Environment, table: str, do: Callable[[int, int], R]) -> list[R]:
    """Do something with every segment of a table at the same time: more of them, the more items it has."""
    with translated(f"describe {table}"):
        told = environment.aws.client("dynamodb").describe_table(TableName=table)
    many = min(max(told["Table"].get("ItemCount", 0) // _ITEMS_PER_SEGMENT, 1), _MOST_SEGMENTS)
    return in_parallel([partial(do, segment, many) for segment in range(many)])


def _pages(
    environment: Environment, selector: Selector, segment: tuple[int, int], *, whole: bool
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """One segment of a table, page by page: how many items were looked at, and those that may be chosen.

    Names go through placeholders: `timestamp`, like 570 other words, is reserved in an expression.
    """
    client: DynamoDBClient = environment.aws.client("dynamodb")
    numeric = selector.run.isdecimal()
    if selector.run_attribute:
        marked = "#mark IN (:text, :number)" if numeric else "#mark = :text"
    else:
        marked = "begins_with(#mark, :text)"
    values: dict[str, Any] = {":text": {"S": selector.run if selector.run_attribute else selector.prefix}}
    if selector.run_attribute and numeric:
        values[":number"] = {"N": selector.run}
    asked: dict[str, Any] = {}
    names = {"#mark": selector.run_attribute or selector.hash_key}
    if not whole:
        names["#written"], asked["ProjectionExpression"] = selector.written_attribute, "#mark, #written"
    pages = client.get_paginator("scan").paginate(
        TableName=selector.table,
        Segment=segment[0],
        TotalSegments=segment[1],
        ConsistentRead=True,
        FilterExpression=marked,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
        **asked,
    )
    several = iter(pages)
    while True:
        with translated(f"scan {selector.table}"):
            page = next(several, None)
        if page is None:
            return
        yield page["ScannedCount"], page["Items"]
