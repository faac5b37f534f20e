"""Many keys of a table at once: read, delete, and put back, with what DynamoDB left over tried again.

BatchWriteItem knows no conditions. So items whose key names their run are looked at again right before they are
deleted in batches: whoever writes under such a key meanwhile is that run itself. Under any other key an innocent item
may have come since; there each delete carries its condition, which DynamoDB checks in the same moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from blocks.aws_errors import translated
from rules.errors import TransientFailure
from rules.polluted_items import Selector
from rules.restore_points import identity
from tasks.kinds import pause

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

T = TypeVar("T")
Item = dict[str, Any]

MOST_READ, _MOST_WRITTEN = 100, 25
"""Keys in one BatchGetItem and one BatchWriteItem."""

_ATTEMPTS, _FIRST_PAUSE, _LONGEST_PAUSE = 9, 0.1, 5.0


def items_under(
    client: DynamoDBClient, table: str, key: tuple[str, ...], items: list[Item], only: set[str] | None = None
) -> dict[str, Item]:
    """What lies under the keys of some items now, by `identity`; of each the attributes in `only`, and its key."""
    names = {f"#a{number}": name for number, name in enumerate(sorted({*key, *only}))} if only else {}
    asked = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names} if names else {}
    found: dict[str, Item] = {}

    def read(keys: list[Item]) -> list[Item]:
        request = {"Keys": keys, "ConsistentRead": True, **asked}
        answer: Any = client.batch_get_item(RequestItems={table: request})  # type: ignore[dict-item]  # a plain dict
        found.update({identity(item, key): item for item in answer["Responses"].get(table, [])})
        return list(answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", []))

    _until_none_is_left(read, [key_of(item, key) for item in items], f"read {table}")
    return found


def delete_batch(client: DynamoDBClient, table: str, keys: list[Item]) -> None:
    """Delete keys, 25 in a request."""
    _write(client, table, [{"DeleteRequest": {"Key": key}} for key in keys])


def put_batch(client: DynamoDBClient, table: str, items: list[Item]) -> None:
    """Write items over whatever is there, 25 in a request."""
    _write(client, table, [{"PutRequest": {"Item": item}} for item in items])


def _write(client: DynamoDBClient, table: str, requests: list[Item]) -> None:
    def write(some: list[Item]) -> list[Item]:
        answer: Any = client.batch_write_item(RequestItems={table: some})  # type: ignore[dict-item]  # plain dicts
        return list(answer.get("UnprocessedItems", {}).get(table, []))

    for some in _parts(requests, _MOST_WRITTEN):
        _until_none_is_left(write, some, f"write to {table}")


def delete_if_same(
    client: DynamoDBClient, selector: Selector, key: tuple[str, ...], kept: Item
) -> bool | None:
    """Delete one item unless somebody wrote another under its key: whether it was there, None when another is."""
    mark = selector.run_attribute or selector.hash_key
    same = "attribute_not_exists(#key) OR (#mark = :mark AND #written = :written)"
    with translated(f"delete an item of {selector.table}"):
        try:
            answer = client.delete_item(
                TableName=selector.table,
                Key=key_of(kept, key),
                ConditionExpression=same,
                ExpressionAttributeNames={
                    "#key": selector.hash_key, "#mark": mark, "#written": selector.written_attribute
                },
                ExpressionAttributeValues={
                    ":mark": kept[mark], ":written": kept[selector.written_attribute]
                },
                ReturnValues="ALL_OLD",
            )  # fmt: skip
        except client.exceptions.ConditionalCheckFailedException:
            return None
    return bool(answer.get("Attributes"))


def put_if_absent(client: DynamoDBClient, table: str, hash_key: str, item: Item) -> bool:
    """Write an item where its key is free: whether it was."""
    with translated(f"write to {table}"):
        try:
            client.put_item(
                TableName=table,
                Item=item,
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": hash_key},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
    return True


def key_of(item: Item, key: tuple[str, ...]) -> Item:
    """The key of an item, as DynamoDB wants it."""
    return {name: item[name] for name in key}


def _until_none_is_left(send: Callable[[list[T]], list[T]], first: list[T], doing: str) -> None:
    """Send requests, and again what was not processed, later each time.

    Raises:
        TransientFailure: some were never processed.
    """
    left = first

    def once() -> list[T]:
        nonlocal left
        with translated(doing):
            left = send(left)
        return left

    again = Retrying(
        retry=retry_if_result(bool),
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=stop_after_attempt(_ATTEMPTS),
        sleep=pause,
        retry_error_callback=lambda _state: None,
    )
    again(once)
    if left:
        raise TransientFailure(
            f"Could not {doing}: {len(left)} requests were left over {_ATTEMPTS} times.",
            hint="The table is throttled. It is tried again.",
        )


def _parts(whole: Iterable[T], size: int) -> Iterator[list[T]]:
    several = iter(whole)
    while part := list(itertools.islice(several, size)):
        yield part
