"""The drills' polluted table, on moto's DynamoDB: some items are damaged, and exactly these are as before again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from blocks.environment import Environment
from blocks.platforms import DataTable
from rules.drills import AllowedDrill, FaultName
from rules.errors import RecoveryRefused, StepFailed
from tasks.drill_faults import Wish, inject_fault, marked_by, prepare_fault, undo_fault, word_for
from tests.tasks.lambda_service import REGION, environment

TABLE, FAULT = "practice-items", FaultName.POLLUTED_TABLE.value
DRILL = AllowedDrill(fault=FaultName.POLLUTED_TABLE, table=TABLE)
WISH = Wish(drill="drl-1", table=TABLE)
MOST, ITEMS = 10, 30


def client() -> Any:
    """DynamoDB."""
    return boto3.client("dynamodb", REGION)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """A table that remembers its past, with items of all kinds of attributes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        keys = {"source_id": "HASH", "timestamp": "RANGE"}
        client().create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        )
        remember(enabled=True)
        for number in range(ITEMS):
            client().put_item(TableName=TABLE, Item=item(number))
        table = DataTable(name=TABLE, hash_key="source_id", range_key="timestamp")
        yield environment(tables=[table])


def remember(*, enabled: bool) -> None:
    """Switch point-in-time recovery on or off."""
    client().update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
    )


def item(number: int) -> dict[str, Any]:
    """A text, a number, a map and bytes; every fourth item has no text."""
    told: dict[str, Any] = {
        "source_id": {"S": f"jane-{number}"},
        "timestamp": {"S": f"2026-03-01T00:00:{number:02}"},
        "count": {"N": str(number)},
        "more": {"M": {"raw": {"B": b"\x00\xff"}, "tags": {"SS": ["a", "b"]}}},
    }
    return told if number % 4 == 0 else told | {"text": {"S": f"a good day {number}"}}


def held() -> list[dict[str, Any]]:
    """Every item, in the order of its key."""
    found = client().scan(TableName=TABLE)["Items"]
    return sorted(found, key=lambda each: str(each["source_id"]))


def damaged() -> list[dict[str, Any]]:
    """The items that miss an attribute."""
    return [each for each in held() if "backstop_drill_name" in each]


def key(of: dict[str, Any]) -> dict[str, Any]:
    """The key of an item."""
    return {name: of[name] for name in ("source_id", "timestamp")}


def test_some_items_miss_an_attribute_and_have_it_back(place: Environment) -> None:
    """Of any type, exactly as it was; brought about again it hits no others; undone again, nothing is done."""
    before, note = held(), prepare_fault(place, DRILL, WISH)
    inject_fault(place, FAULT, note)
    broken = damaged()
    inject_fault(place, FAULT, note)

    assert damaged() == broken
    assert len(broken) == MOST
    assert {each["backstop_drill_name"]["S"] for each in broken} == {"text", "count"}
    assert all(each["backstop_drill_name"]["S"] not in each for each in broken)
    assert undo_fault(place, FAULT, note) == (f"{MOST} items of {TABLE} were damaged still", "")
    assert held() == before
    assert undo_fault(place, FAULT, note) == ("", "")


def test_the_note_knows_no_key_and_no_value(place: Environment) -> None:
    """It is written into the ledger, and keys may be names of people."""
    note = prepare_fault(place, DRILL, WISH)

    assert not any("jane" in text or "good day" in text for text in note.values())


def test_what_was_written_since_stays(place: Environment) -> None:
    """An attribute that the service gave the item anew, a whole new item, and one that is gone are left as they are."""
    note = prepare_fault(place, DRILL, WISH)
    inject_fault(place, FAULT, note)
    anew, replaced, gone, *_ = [each for each in damaged() if each["backstop_drill_name"]["S"] == "text"]
    client().update_item(
        TableName=TABLE, Key=key(anew), UpdateExpression="SET #t = :t",
        ExpressionAttributeNames={"#t": "text"}, ExpressionAttributeValues={":t": {"S": "newer"}},
    )  # fmt: skip
    client().put_item(TableName=TABLE, Item=key(replaced) | {"text": {"S": "another"}})
    client().delete_item(TableName=TABLE, Key=key(gone))

    undo_fault(place, FAULT, note)

    assert damaged() == []
    found = {str(each["source_id"]): each for each in held()}
    assert found[str(anew["source_id"])]["text"] == {"S": "newer"}
    assert found[str(replaced["source_id"])] == key(replaced) | {"text": {"S": "another"}}
    assert str(gone["source_id"]) not in found
    assert not any("backstop_drill_value" in each for each in found.values())


def test_items_that_a_recovery_lost_are_missed(place: Environment) -> None:
    """The comparison with before tells a recovery that deletes what is damaged from one that puts it right."""
    note = prepare_fault(place, DRILL, WISH)
    before = marked_by(place, FAULT, note)
    inject_fault(place, FAULT, note)
    broken = marked_by(place, FAULT, note)
    for each in damaged():
        client().delete_item(TableName=TABLE, Key=key(each))

    assert before == {f"items of {TABLE}": "10 there, 0 of them damaged"}
    assert broken == {f"items of {TABLE}": "10 there, 10 of them damaged"}
    assert undo_fault(place, FAULT, note) == ("", "")
    assert marked_by(place, FAULT, note) == {f"items of {TABLE}": "0 there, 0 of them damaged"}


def test_its_recovery_is_asked_for_once_the_moment_before_can_be_had(
    place: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS can restore to the last minutes only later: who asked at once would be refused, and the service closed."""
    note = prepare_fault(place, DRILL, WISH)
    now = datetime.now(UTC)
    for since, asked in ((now + timedelta(minutes=5), False), (now - timedelta(minutes=5), True)):
        note["damaged since"] = since.isoformat()
        wanted = {"data_damaged_since": since.isoformat()} if asked else None
        assert word_for(place, FAULT, note) == wanted


def test_what_could_not_be_put_back_is_not_damaged(place: Environment) -> None:
    """Another table, one without a past, one that a drill has damaged already, one without anything to damage."""
    with pytest.raises(RecoveryRefused, match="no table of practice"):
        prepare_fault(place, DRILL, Wish(drill="drl-1", table="somebody-elses"))
    remember(enabled=False)
    with pytest.raises(RecoveryRefused, match="remembers no past"):
        prepare_fault(place, DRILL, WISH)
    remember(enabled=True)
    note = prepare_fault(place, DRILL, WISH)
    inject_fault(place, FAULT, note)
    with pytest.raises(RecoveryRefused, match="by a drill already"):
        prepare_fault(place, DRILL, Wish(drill="drl-2", table=TABLE))
    for each in held():
        client().delete_item(TableName=TABLE, Key=key(each))
    with pytest.raises(StepFailed, match="not in practice-items any more"):
        inject_fault(place, FAULT, note)
    client().put_item(TableName=TABLE, Item=key(item(1)))
    with pytest.raises(RecoveryRefused, match="no item to damage"):
        prepare_fault(place, DRILL, WISH)
