"""A secret that a service needs and does not get, on the practice sandbox."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows.unreadable_secret import recover
from ledger.database import open_ledger
from ledger.models import TimelineRow
from rules.outcomes import Ending
from sandbox import faults
from sandbox.world import Sandbox
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

SECRET = "preprod/sentiment/dashboard-api-key"


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """Preprod, healthy, and an empty ledger."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    yield Environment(**yaml.safe_load(text))
    client = fresh_sandbox.client("secretsmanager")
    client.restore_secret(SecretId=SECRET)


def value(sandbox: Sandbox) -> str:
    """The secret itself."""
    return str(sandbox.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"])


def test_a_deleted_secret_comes_back_as_it_was(
    preprod: Environment, fresh_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It can be read again with the same value, and that value was never told to anybody."""
    before = value(fresh_sandbox)
    faults.start(fresh_sandbox, "deleted-secret", "preprod")

    with caplog.at_level(logging.INFO):
        outcome = recover.fn(preprod, SECRET)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert value(fresh_sandbox) == before
    assert steps(outcome) == [("restore_secret", SECRET, "changed")]
    with open_ledger().reading() as session:
        told = [f"{row.text} {row.data}" for row in session.query(TimelineRow)]
    assert before not in caplog.text + outcome.model_dump_json() + "".join(told)


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(
    preprod: Environment, fresh_sandbox: Sandbox
) -> None:
    """The rehearsed plan is the one that is then acted on; meanwhile the deletion stays scheduled."""
    faults.start(fresh_sandbox, "deleted-secret", "preprod")

    rehearsed = recover.fn(preprod, SECRET, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert "DeletedDate" in fresh_sandbox.client("secretsmanager").describe_secret(SecretId=SECRET)
    real = recover.fn(preprod, SECRET)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_a_secret_that_can_be_read_is_left_alone(preprod: Environment) -> None:
    """Nothing to do."""
    outcome = recover.fn(preprod, SECRET)

    assert outcome.ending is Ending.NOTHING_TO_DO
    assert steps(outcome) == []


def test_a_name_that_is_wrong_is_told_with_the_right_one(preprod: Environment) -> None:
    """A missing secret is a person's: the report says what there is instead, and nothing is made up."""
    outcome = recover.fn(preprod, "preprod/sentiment/dashboard-apikey")

    assert outcome.ending is Ending.NOT_RECOVERED
    assert SECRET in outcome.reason
    assert steps(outcome) == []


def test_a_secret_without_a_current_version_is_left_to_a_person(
    preprod: Environment, fresh_sandbox: Sandbox
) -> None:
    """Which version works is not guessed."""
    client = fresh_sandbox.client("secretsmanager")
    client.create_secret(Name="preprod/sentiment/half-rotated")
    try:
        outcome = recover.fn(preprod, "preprod/sentiment/half-rotated")
    finally:
        client.delete_secret(SecretId="preprod/sentiment/half-rotated", ForceDeleteWithoutRecovery=True)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "AWSCURRENT" in outcome.reason
