"""What a failed test run wrote to a table is counted, kept and deleted, on moto's DynamoDB; never the rest."""

from __future__ import annotations

import gzip
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from blocks.environment import Environment
from blocks.platforms import DataTable
from ledger.cases import Case
from rules.errors import LeaseLost, RecoveryRefused, StepFailed, TransientFailure
from rules.polluted_items import RunMarks, RunWindow, Selector, selector_for
from rules.severity import Tier
from tasks import _table_batches, tables
from tasks.tables import count_polluted, delete_polluted, keep_polluted, put_back_kept
from tests.tasks.lambda_service import REGION, environment

TABLE = "practice-items"
BEGAN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
WINDOW = RunWindow(run="4711", began=BEGAN, ended=BEGAN + timedelta(minutes=10))
BY_KEY = RunMarks(key_prefix="test-{run}-", written_attribute="timestamp")
BY_ATTRIBUTE = RunMarks(run_attribute="test_run", written_attribute="timestamp")
POLLUTED, INNOCENT = 260, 40

pytestmark = pytest.mark.usefixtures("table")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A table with items of run 4711, of another run, and real ones."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("dynamodb", REGION)
        keys = {"source_id": "HASH", "timestamp": "RANGE"}
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in keys.items()],  # type: ignore[typeddict-item]  # two literals
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in keys],
        )
        items = [
            item(f"test-4711-{n}", 1 + n, test_run={"S": "4711"}, raw={"B": b"\x00\xff"})
            for n in range(POLLUTED)
        ]
        for number in range(INNOCENT // 2):
            items += [
                item(f"test-4712-{number}", 1 + number, test_run={"S": "4712"}),
                item("newsapi", 1 + number),
            ]
        for start in range(0, len(items), 25):
            requests = [{"PutRequest": {"Item": each}} for each in items[start : start + 25]]
            client.batch_write_item(RequestItems={TABLE: requests})  # type: ignore[dict-item]  # plain dicts
        yield


def put(source: str, second: int, **more: dict[str, object]) -> None:
    """Write one item."""
    boto3.client("dynamodb", REGION).put_item(TableName=TABLE, Item=item(source, second, **more))


def item(source: str, second: int, **more: dict[str, object]) -> dict[str, Any]:
    """One item of the service."""
    stamp = (BEGAN + timedelta(seconds=second)).isoformat()
    return {"source_id": {"S": source}, "timestamp": {"S": stamp}, "text": {"S": "good"}, **more}


def left() -> list[str]:
    """The keys in the table, sorted."""
    found = boto3.client("dynamodb", REGION).scan(TableName=TABLE)["Items"]
    return sorted(f"{each['source_id']['S']} {each['timestamp']['S']}" for each in found)


def innocent() -> list[str]:
    """The keys that no clean-up may touch."""
    return [key for key in left() if not key.startswith("test-4711-")]


def preprod(tier: Tier = Tier.PREPROD) -> Environment:
    """The practice environment with its table."""
    table = DataTable(name=TABLE, hash_key="source_id", range_key="timestamp")
    return environment(tables=[table]).model_copy(update={"tier": tier})


def selector(marks: RunMarks = BY_KEY) -> Selector:
    """What run 4711 wrote."""
    return selector_for(marks, WINDOW, table=TABLE, hash_key="source_id", tier=Tier.PREPROD)


def copies(home: Path) -> list[Path]:
    """Every file below the folder of kept items."""
    return [path for path in (home / "kept").rglob("*") if path.is_file()]


@pytest.mark.parametrize("segments", [1, 7])
@pytest.mark.parametrize("marks", [BY_KEY, BY_ATTRIBUTE], ids=["by key", "by attribute"])
def test_exactly_the_runs_items_go(
    acting: Case, marks: RunMarks, segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted before and after; everything else is still there; the second time nothing is left to do."""
    monkeypatch.setattr(tables, "_ITEMS_PER_SEGMENT", (POLLUTED + INNOCENT) // segments)
    before = innocent()
    assert count_polluted.fn(preprod(), selector(marks)) == (POLLUTED + INNOCENT, POLLUTED)

    for changed in (True, False):
        assert keep_polluted(preprod(), selector(marks)).changed is changed
        assert delete_polluted(preprod(), selector(marks)).changed is changed

    assert left() == before
    assert count_polluted.fn(preprod(), selector(marks)) == (INNOCENT, 0)


def test_the_copy_is_private_and_whole(acting: Case, own_home: Path) -> None:
    """Only this user reads it; it has DynamoDB's own JSON with every attribute of every item that was chosen."""
    keep_polluted(preprod(), selector())

    data, manifest = sorted(copies(own_home))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (data, manifest)} == {0o600}
    assert stat.S_IMODE(data.parent.stat().st_mode) == 0o700
    with gzip.open(data, "rt") as file:
        lines = [json.loads(line)["Item"] for line in file]
    assert sorted(line["source_id"]["S"] for line in lines) == sorted(
        f"test-4711-{n}" for n in range(POLLUTED)
    )
    assert {line["raw"]["B"] for line in lines} == {"AP8="}
    assert json.loads(manifest.read_text())["items"] == POLLUTED


def test_what_was_kept_comes_back_as_it_was(acting: Case) -> None:
    """Bytes too; and an item that came meanwhile under the same key is not overwritten."""
    client = boto3.client("dynamodb", REGION)
    before = client.scan(TableName=TABLE)["Items"]
    keep_polluted(preprod(), selector())
    delete_polluted(preprod(), selector())
    client.put_item(TableName=TABLE, Item=item("test-4711-0", 1, text={"S": "newer"}))

    assert [put_back_kept(preprod(), selector()).changed for _ in range(2)] == [True, False]

    after = client.scan(TableName=TABLE)["Items"]
    changed = [each for each in after if each not in before]
    assert [(each["source_id"]["S"], each["text"]["S"]) for each in changed] == [("test-4711-0", "newer")]
    assert len(after) == len(before)


def test_without_a_whole_copy_nothing_goes(acting: Case, own_home: Path) -> None:
    """No copy, or one that somebody has touched: every item stays."""
    before = left()
    with pytest.raises(StepFailed, match="no copy"):
        delete_polluted(preprod(), selector())
    keep_polluted(preprod(), selector())
    data = next(path for path in copies(own_home) if path.suffix == ".gz")
    data.write_bytes(data.read_bytes()[:-20])

    with pytest.raises(StepFailed, match="not what was written"):
        delete_polluted(preprod(), selector())

    assert left() == before


def test_a_copy_that_was_cut_short_is_made_again(
    acting: Case, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death while it is written leaves nothing that could be taken for a whole copy."""

    def dies(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables, "pause", dies)
        with pytest.raises(KeyboardInterrupt):
            keep_polluted(preprod(), selector())
    assert copies(own_home) == []

    assert keep_polluted(preprod(), selector()).changed
    assert delete_polluted(preprod(), selector()).detail.startswith(f"{POLLUTED} deleted")


@pytest.mark.parametrize("marks", [BY_KEY, BY_ATTRIBUTE], ids=["by key", "by attribute"])
def test_a_death_half_way_is_finished_and_newer_items_stay(
    acting: Case, monkeypatch: pytest.MonkeyPatch, marks: RunMarks
) -> None:
    """Started again it deletes the rest, and leaves what was written under a kept key since the copy was made."""
    if marks is BY_ATTRIBUTE:
        put("newsapi", 1, test_run={"S": "4711"})  # a test wrote over a real item
    before = innocent()
    keep_polluted(preprod(), selector(marks))

    chunks = iter(range(2))

    def dies(_seconds: float) -> None:
        if next(chunks, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables, "_WORKERS", 1)
        patch.setattr(tables, "MOST_READ", 50)
        patch.setattr(tables, "pause", dies)
        with pytest.raises(KeyboardInterrupt):
            delete_polluted(preprod(), selector(marks))
    assert 0 < count_polluted.fn(preprod(), selector(marks)).polluted < POLLUTED
    if marks is BY_ATTRIBUTE:
        put("newsapi", 1)  # and the collector has put it right
    put("test-4711-259", 260, timestamp=item("", 260)["timestamp"], test_run={"S": "4711"}, score={"N": "1"})

    effect = delete_polluted(preprod(), selector(marks))

    assert effect.changed
    assert left() == before
    if marks is BY_ATTRIBUTE:
        assert "1 written anew: left alone" in effect.detail


def test_what_dynamodb_leaves_over_is_sent_again(acting: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unprocessed reads and deletes are sent until none is left."""
    monkeypatch.setattr(_table_batches, "_FIRST_PAUSE", 0.001)
    before, client = innocent(), preprod().aws.client("dynamodb")
    throttled = Throttled(client, times=3)
    keep_polluted(preprod(), selector())

    with throttled:
        delete_polluted(preprod(), selector())

    assert throttled.left_over > 0
    assert left() == before


def test_what_is_always_left_over_may_be_tried_later(acting: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, as something that another try may cure, and nothing innocent has gone."""
    monkeypatch.setattr(_table_batches, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_table_batches, "_LONGEST_PAUSE", 0.001)
    before, client = innocent(), preprod().aws.client("dynamodb")
    keep_polluted(preprod(), selector())

    with Throttled(client, times=10_000), pytest.raises(TransientFailure, match="left over"):
        delete_polluted.fn(preprod(), selector())

    assert innocent() == before


def test_it_stops_when_another_run_took_over(acting: Case) -> None:
    """A run that lost its lease deletes nothing more."""
    keep_polluted(preprod(), selector())
    before = left()
    acting.lost.set()

    with pytest.raises(LeaseLost):
        delete_polluted(preprod(), selector())

    assert left() == before


@pytest.mark.parametrize("act", [keep_polluted, delete_polluted])
def test_production_is_never_cleaned(acting: Case, own_home: Path, act: Any) -> None:
    """Not even with a selector that was made elsewhere."""
    before = left()

    with pytest.raises(RecoveryRefused, match="production"):
        act(preprod(Tier.PRODUCTION), selector())

    assert left() == before


def test_the_runbooks_scan_is_refused() -> None:
    """`--projection-expression "source_id,timestamp"`: a reserved word, so the runbook's clean-up never ran."""
    with pytest.raises(ClientError, match=r"reserved keyword.*timestamp") as refused:
        boto3.client("dynamodb", REGION).scan(TableName=TABLE, ProjectionExpression="source_id,timestamp")

    assert refused.value.response["Error"]["Code"] == "ValidationException"


class Throttled:
    """Lets DynamoDB leave half of each batch over, so many times."""

    def __init__(self, client: Any, times: int) -> None:
        self.client, self.times, self.left_over = client, times, 0

    def __enter__(self) -> None:
        """From now on."""
        self.read, self.write = self.client.batch_get_item, self.client.batch_write_item
        self.client.batch_get_item, self.client.batch_write_item = self._get, self._put

    def __exit__(self, *_: object) -> None:
        """As before."""
        self.client.batch_get_item, self.client.batch_write_item = self.read, self.write

    def _get(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        keys = RequestItems[TABLE]["Keys"]
        now, over = self._halved(keys)
        if not now:
            return {"Responses": {}, "UnprocessedKeys": {TABLE: {"Keys": over}}}
        answer: dict[str, Any] = self.read(RequestItems={TABLE: RequestItems[TABLE] | {"Keys": now}})
        return answer | {"UnprocessedKeys": {TABLE: {"Keys": over}} if over else {}}

    def _put(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        now, over = self._halved(RequestItems[TABLE])
        answer: dict[str, Any] = self.write(RequestItems={TABLE: now}) if now else {}
        return answer | {"UnprocessedItems": {TABLE: over} if over else {}}

    def _halved(self, whole: list[Any]) -> tuple[list[Any], list[Any]]:
        if self.times <= 0:
            return whole, []
        self.times -= 1
        half = len(whole) // 2
        self.left_over += len(whole) - half
        return whole[:half], whole[half:]
