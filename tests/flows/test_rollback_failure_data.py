"""Damaged data beside a failed rollback: put back as it was just before, on tables that remember."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.settings import settings
from flows._ladder import Request
from flows.rollback_failure import recover
from rules.outcomes import Ending
from rules.restore_points import copy_name, moment_before
from sandbox import breaking, damaged_data, faults
from sandbox.damaged_data import NEWER, WHOLE, item
from sandbox.world import Sandbox
from tests.flows.broken_canary import Production, steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

PAST = Request(requested_by="Ada", break_glass="orders are written twice")


@pytest.fixture
def damaged(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    """Production with sound code and damaged items."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    production = Production.of(fresh_sandbox)
    production.prove(1, 2)
    damaged_data.damage(fresh_sandbox, "prod")
    yield production
    fresh_sandbox.reset()


def since(production: Production) -> datetime:
    """When the damage began."""
    return datetime.fromisoformat(damaged_data.since(production.sandbox))


def texts(production: Production, table: str = "") -> dict[str, str]:
    """The text of every item, by its source."""
    found = production.sandbox.client("dynamodb").scan(
        TableName=table or production.sandbox.place("prod").table
    )
    return {each["source_id"]["S"]: each["text"]["S"] for each in found["Items"]}


def whole() -> dict[str, str]:
    """What the table held before."""
    return {item(number, "")["source_id"]["S"]: "a good day" for number in range(WHOLE)}


def newer() -> dict[str, str]:
    """What came since."""
    return {item(number, "")["source_id"]["S"]: "came since" for number in range(WHOLE, WHOLE + NEWER)}


def capacity(production: Production) -> set[int | None]:
    """The reserved concurrency of the functions."""
    client = production.sandbox.client("lambda")
    return {
        client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name in production.functions
    }


def test_items_are_put_back_and_newer_ones_stay(damaged: Production) -> None:
    """Changed and deleted items are as before; the table as it was is kept; sound code is left alone."""
    before = texts(damaged)
    code = damaged.everything()
    client = damaged.sandbox.client("dynamodb")

    outcome = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST
    )

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "restore"
    assert texts(damaged) == whole() | newer()
    assert damaged.everything() == code
    assert capacity(damaged) == {None}
    [backup] = client.list_backups(TableName=damaged.sandbox.place("prod").table)["BackupSummaries"]
    client.restore_table_from_backup(TargetTableName="as-it-was", BackupArn=backup["BackupArn"])
    assert texts(damaged, "as-it-was") == before
    [mended] = [
        check
        for check in (outcome.verification.checks if outcome.verification else ())
        if "data" in check.name
    ]
    assert mended.seen == str(WHOLE)


def test_the_same_word_twice_takes_nothing_away(damaged: Production) -> None:
    """Started again after it recovered: what was written since stays. That it is damaged since later counts anew."""
    client, table = damaged.sandbox.client("dynamodb"), damaged.sandbox.place("prod").table
    asked: dict[str, Any] = {"watch_minutes": 0, "data_damaged_since": since(damaged), "request": PAST}
    assert recover.fn(damaged.environment, **asked).ending is Ending.RECOVERED
    client.put_item(TableName=table, Item=item(0, "written after the recovery"))
    then = texts(damaged)

    again = recover.fn(damaged.environment, **asked)

    assert again.ending is Ending.NOTHING_TO_DO, again.reason
    assert texts(damaged) == then
    later = {**asked, "data_damaged_since": since(damaged) + timedelta(seconds=1), "rehearse": True}
    assert recover.fn(damaged.environment, **later).ending is Ending.REHEARSED


def test_no_function_takes_calls_while_items_are_put_back(
    damaged: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each has its capacity again afterwards, also when putting back fails."""
    from tasks import table_restores

    seen: list[set[int | None]] = []

    def fails(*_: object) -> None:
        seen.append(capacity(damaged))
        raise ValueError("the disk is full")

    monkeypatch.setattr(table_restores, "put_batch", fails)
    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "1")
    settings.cache_clear()

    outcome = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST
    )

    assert seen
    assert set.union(*seen) == {0}
    assert outcome.ending is Ending.NOT_RECOVERED
    assert "the disk is full" in outcome.reason
    given = {
        subject
        for action, subject, result in steps(outcome)
        if (action, result) == ("give_capacity", "changed")
    }
    assert given == set(damaged.functions)


def test_another_table_of_the_copys_name_is_left_alone(damaged: Production) -> None:
    """It was not restored from this one: nothing is compared with it or taken from it."""
    client, table = damaged.sandbox.client("dynamodb"), damaged.sandbox.place("prod").table
    name, before = copy_name(table, moment_before(since(damaged))), texts(damaged)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )

    outcome = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST
    )

    assert outcome.ending is Ending.NOT_RECOVERED
    assert f"{name} is there, and was not restored from {table}" in outcome.reason
    assert texts(damaged) == before


def test_code_first_then_data(damaged: Production) -> None:
    """Where both are broken, release 2 comes back by Terraform, then the items."""
    breaking.fail_rollback(damaged.sandbox, "prod")

    outcome = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST
    )

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert damaged.runs(2)
    assert texts(damaged) == whole() | newer()
    actions = [action for action, _, result in steps(outcome) if result == "changed"]
    assert actions.index("apply_plan") < actions.index("put_back_from_copy")


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(damaged: Production) -> None:
    """The rehearsed plan is the one that is then acted on; no copy, no backup is made."""
    client, before = damaged.sandbox.client("dynamodb"), texts(damaged)
    tables = client.list_tables()["TableNames"]

    rehearsed = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), rehearse=True
    )

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert texts(damaged) == before
    assert client.list_tables()["TableNames"] == tables
    real = recover.fn(damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


@pytest.mark.parametrize("away", [timedelta(days=-40), timedelta(hours=1)], ids=["too long ago", "to come"])
def test_a_moment_that_cannot_be_had_changes_nothing(
    damaged: Production, monkeypatch: pytest.MonkeyPatch, away: timedelta
) -> None:
    """It is refused, and nobody agreed to anything else."""
    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "1")
    settings.cache_clear()
    before = texts(damaged)

    outcome = recover.fn(damaged.environment, watch_minutes=0, data_damaged_since=datetime.now(UTC) + away)

    assert outcome.ending is Ending.REFUSED
    assert texts(damaged) == before
    assert steps(outcome) == []


def test_people_get_an_issue(damaged: Production) -> None:
    """One, with what is left to them, and only where something was done."""
    outcome = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST
    )

    issues = [t for t in damaged.sandbox.github.seen()["threads"].values() if outcome.incident in t["title"]]
    assert len(issues) == 1
    assert "- [ ] Find out why the automatic recovery failed" in issues[0]["body"]


def test_it_ends_without_github_too(damaged: Production) -> None:
    """An issue that cannot be opened keeps nobody from recovering."""
    damaged.sandbox.github.trouble({"kind": "error", "times": 1000, "path": "/issues"})

    outcome = recover.fn(
        damaged.environment, watch_minutes=0, data_damaged_since=since(damaged), request=PAST
    )

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert texts(damaged) == whole() | newer()
    faults.repair_all(damaged.sandbox)
