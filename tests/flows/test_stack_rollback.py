"""A Docker stack goes back to a backup, and back again; whatever is taken out of service is kept."""

from __future__ import annotations

from typing import Any

import pytest

from flows.stack_rollback import Scope, recover
from ledger.database import open_ledger
from ledger.models import StepRow
from rules.backups import BackupKind, is_of
from rules.outcomes import Ending, Outcome
from sandbox.stack import composing
from tasks.backup_contents import read_backup
from tasks.backups import backup_names
from tests.compose_v2 import compose, deploy_badly, settle
from tests.flows.broken_canary import steps
from tests.flows.deployed_stack import INSIST, Story, spoil

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_bad_deployment_is_taken_back(story: Story) -> None:
    """Masking is off after a deployment: exactly what it reached is made again, what was written since is kept."""
    story.deploy(AWS_MASKING_ENABLED="false")
    story.stack.redis().set("aws_masker:map:LATE", "i-1")
    bad = story.runs()

    rehearsed = recover.fn(story.environment, rehearse=True)
    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert story.runs() == bad
    outcome = recover.fn(story.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    now = story.runs()
    assert {name for name in now if now[name][0] != bad[name][0]} == {"-app", "-kong"}
    assert now["-redis"] == bad["-redis"]
    assert story.stack.redis().get("aws_masker:map:LATE") == "i-1"
    assert story.variable("kong", "AWS_MASKING_ENABLED") == ["true"]
    assert story.stack.container("app").attrs["Config"]["Image"] == "backstop-sandbox/app:1"
    assert plan_of(outcome) == plan_of(rehearsed)
    assert story.stack.password not in outcome.model_dump_json()
    assert recover.fn(story.environment).ending is Ending.NOTHING_TO_DO
    sick = story.snapshot()
    assert read_backup.fn(story.environment, sick).manifest.has_data

    # Back to what was broken: it fails its verification, and everything is as before again.
    undone = recover.fn(story.environment, backup=sick, request=INSIST)
    assert undone.ending is Ending.NOT_RECOVERED
    assert "masking" in undone.reason
    assert story.variable("kong", "AWS_MASKING_ENABLED") == ["true"]
    assert story.stack.ask("i-0abc1234def567890") == "i-0abc1234def567890"
    assert recover.fn(story.environment).ending is Ending.NOTHING_TO_DO


def plan_of(outcome: Outcome) -> dict[str, Any]:
    """The plan without what it says for people."""
    assert outcome.plan is not None
    return outcome.plan.model_dump(exclude={"reasons", "title"})


def test_with_data_today_is_kept_and_can_be_had_again(story: Story) -> None:
    """The backup's data takes the place of today's; going back to the state before brings today's back, key by key.

    Neither backup was tested before: each is tried beside the stack first.
    """
    redis = story.stack.redis()
    redis.delete(*redis.keys("aws_masker:rev:*"))
    redis.set("aws_masker:map:LATE", "i-1")
    story.deploy(APP_MODEL="haiku")
    network = story.stack.client.networks.get(f"{story.stack.addresses.project}-enterprise")

    outcome = recover.fn(story.environment, scope=Scope.FULL, preserve_data=False, force=True, request=INSIST)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan is not None
    assert any("is lost" in each for each in outcome.plan.reasons)
    redis = story.stack.redis()
    assert redis.get("aws_masker:map:LATE") is None
    assert len(redis.keys("aws_masker:rev:*")) == 100
    assert story.variable("app", "APP_MODEL") == ["opus"]
    assert story.stack.client.networks.get(str(network.name)).id == network.id  # it did not differ

    back = recover.fn(
        story.environment, backup=story.snapshot(), preserve_data=False, force=True, request=INSIST
    )

    assert back.ending is Ending.RECOVERED, back.reason
    redis = story.stack.redis()
    assert redis.get("aws_masker:map:LATE") == "i-1"
    assert redis.keys("aws_masker:rev:*") == []
    assert story.variable("app", "APP_MODEL") == ["haiku"]


def test_a_stack_that_compose_started_goes_back_and_compose_finds_nothing_to_do(story: Story) -> None:
    """Real Compose v2 started it and deployed badly, and all mappings are gone: all of it is back, and is Compose's."""
    stack = story.stack
    composing.down(stack.client, stack.file)
    compose(stack, "up", "--detach")
    stack.wait_until_ready()
    stack.fill(300)
    good = story.backup(BackupKind.DEPLOY)
    deploy_badly(stack)
    stack.redis().delete(*stack.redis().keys("aws_masker:*"))

    outcome = recover.fn(story.environment, scope=Scope.FULL, preserve_data=False, force=True)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan is not None
    assert outcome.plan.target == good
    assert stack.redis().dbsize() >= 300
    assert story.variable("app", "APP_MODEL") == ["opus"]
    assert stack.container("app").attrs["Config"]["Image"] == "backstop-sandbox/app:1"
    assert settle(stack) == set()


def test_a_dead_redis_does_not_keep_the_stack_from_going_back(story: Story) -> None:
    """No data can be had of it: the state before is kept without, the volume is carried over, and it serves again.

    `docker restart`, as the runbook has it, applies nothing of a configuration that was put back: it was read when the
    container was made.
    """
    right = story.stack.config_env.read_bytes()
    story.stack.config_env.write_bytes(right + b"REDIS_PASSWORD=another\n")
    story.stack.container("redis").remove(force=True)
    composing.up(story.stack.client, story.stack.file)
    story.stack.config_env.write_bytes(right)
    story.stack.container("redis").restart(timeout=5)
    assert story.variable("redis", "REDIS_PASSWORD") == ["another"]
    story.stack.config_env.unlink()

    outcome = recover.fn(story.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert story.stack.config_env.read_bytes() == right
    assert story.stack.redis().dbsize() >= 200
    assert not read_backup.fn(story.environment, story.snapshot()).manifest.has_data
    done = [each[:2] for each in steps(outcome) if each[2] == "changed"]
    assert {("put_files_back", "files of masking"), ("recreate_service", "redis")} <= {*done}


def test_what_cannot_be_is_refused_and_changes_nothing(story: Story) -> None:
    """No such backup, a name that is none, nothing to change, data that brings nothing back: one clear reason each."""
    before = story.runs()
    environment = story.environment

    for backup, told in (
        ("20260101-000000-deploy-0000", "There is no backup 20260101-000000-deploy-0000"),
        ("../../etc", "There is no backup ../../etc"),
        (story.good, "would change nothing"),
    ):
        outcome = recover.fn(environment, backup=backup, request=INSIST)
        assert outcome.ending is Ending.NOT_RECOVERED
        assert told in outcome.reason
    spoil(environment, story.good)
    failing = recover.fn(environment, preserve_data=False, request=INSIST)
    assert failing.ending is Ending.NOT_RECOVERED
    assert "failed its test" in failing.reason

    assert story.runs() == before
    assert not any(is_of(BackupKind.ROLLBACK, each) for each in backup_names.fn(environment))
    with open_ledger().session() as session:
        assert session.query(StepRow).count() == 0
