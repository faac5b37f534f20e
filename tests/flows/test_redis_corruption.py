"""Redis's data is whole again, the damaged data is kept, and nothing is put over data that was whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.environment import Environment
from flows.redis_corruption import recover
from ledger.database import open_ledger
from rules.backups import DATA, MANIFEST, BackupKind, BackupManifest
from rules.outcomes import Ending, Outcome, Verdict
from rules.retention import Proof
from rules.severity import Tier
from sandbox.stack.data_breaking import crash_over_data, lose_data, refuse_to_save
from sandbox.stack.stack import DockerStack
from tasks.backup_proofs import record_proof
from tasks.backups import Occasion, take_backup
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]
KEYS = 2000
SCHEDULED = Occasion(kind=BackupKind.SCHEDULED)


@pytest.fixture
def filled(masking: Environment, fresh_stack: DockerStack) -> BackupManifest:
    """Give a test a stack with mappings, and an untested backup of them."""
    fresh_stack.fill(KEYS)
    return take_backup.fn(masking, SCHEDULED)


def in_tier(environment: Environment, tier: Tier) -> Environment:
    """The environment, as important as that."""
    return environment.model_copy(update={"tier": tier})


def mappings(stack: DockerStack) -> int:
    """How many there are."""
    return len(stack.redis().keys("aws_masker:[mr]*"))


def age(environment: Environment, made: BackupManifest, minutes: int) -> None:
    """Let a backup be older than it is."""
    folder = Path(environment.docker_stack.backups.directory or "") / environment.name / made.id
    (folder / MANIFEST).chmod(0o600)
    older = made.model_copy(update={"began_at": made.began_at - timedelta(minutes=minutes)})
    (folder / MANIFEST).write_text(older.model_dump_json())


def identities(stack: DockerStack, project: str) -> dict[str, str]:
    """The project's containers, and since when each runs."""
    listed = stack.client.containers.list(
        all=True, filters={"label": f"com.docker.compose.project={project}"}
    )
    return {str(each.id): each.attrs["State"]["StartedAt"] for each in listed}


def test_lost_mappings_are_back(
    masking: Environment, fresh_stack: DockerStack, filled: BackupManifest
) -> None:
    """From the backup before the loss, tried first, not from the newer one after it; the foreign stack is untouched."""
    environment, foreign = in_tier(masking, Tier.DEVELOPMENT), fresh_stack.foreign.project
    others = identities(fresh_stack, foreign)
    lose_data(fresh_stack)
    take_backup.fn(masking, SCHEDULED)
    assert fresh_stack.redis().ping()  # the runbook's check sees nothing

    rehearsed = recover.fn(environment, rehearse=True)
    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert mappings(fresh_stack) < KEYS / 4
    outcome = recover.fn(environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.target == filled.id
    assert any("after 1000" in reason for reason in outcome.plan.reasons)
    assert mappings(fresh_stack) == KEYS
    assert steps(outcome) == [("restore_redis_data", "Redis data", "changed")]
    assert identities(fresh_stack, foreign) == others
    assert outcome.verification is None or outcome.verification.verdict is Verdict.PASS
    assert recover.fn(environment).ending is Ending.NOTHING_TO_DO


def test_a_mapping_of_another_kind_is_found_and_old_data_is_asked_for(
    masking: Environment, fresh_stack: DockerStack, filled: BackupManifest
) -> None:
    """One list where all were strings; the backup is older than the objective, which a person must accept."""
    age(masking, filled, 30)
    redis = fresh_stack.redis()
    key = min(redis.keys("aws_masker:map:*"))
    redis.delete(key)
    redis.lpush(key, "x")

    rehearsed = recover.fn(masking, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert rehearsed.plan
    assert rehearsed.plan.destructiveness == "destructive"
    assert "more than the objective" in " ".join(rehearsed.plan.reasons)
    assert "hold a list" in rehearsed.plan.changes[0].before
    assert redis.type(key) == "list"


def test_a_crash_loop_ends_without_asking_and_only_once(
    masking: Environment, fresh_stack: DockerStack, filled: BackupManifest
) -> None:
    """It serves nobody, and all is kept: in production too nobody is waited for. Of two at once one acts."""
    crash_over_data(fresh_stack)
    open_ledger()

    def run() -> Outcome:
        return copy_context().run(recover.fn, masking)

    with ThreadPoolExecutor() as both:
        outcomes = [each.result() for each in [both.submit(run), both.submit(run)]]

    endings = {each.ending for each in outcomes}
    assert endings <= {Ending.RECOVERED, Ending.ALREADY_HANDLED, Ending.NOTHING_TO_DO}, outcomes
    [outcome] = [each for each in outcomes if each.ending is Ending.RECOVERED]
    assert steps(outcome) == [("restore_redis_data", "Redis data", "changed")]
    assert mappings(fresh_stack) == KEYS
    folder = f"/data/backstop-kept-{outcome.incident}-1/masker-aof/masker.aof.1.base.rdb"
    assert fresh_stack.container("redis").exec_run(["cat", folder]).output == b"no data\n"


def test_data_that_is_whole_is_left_alone(
    masking: Environment, fresh_stack: DockerStack, filled: BackupManifest
) -> None:
    """It cannot save, so PING fails: no older data is put over it. One that was stopped is started as it was."""
    redis = fresh_stack.redis()
    redis.set("aws_masker:map:NEW", "written since")
    refuse_to_save(fresh_stack)
    with pytest.raises(Exception, match="MISCONF"):
        redis.ping()

    refused = recover.fn(masking)

    assert refused.ending in (Ending.REFUSED, Ending.NOT_RECOVERED)
    assert "whole" in refused.reason
    assert mappings(fresh_stack) == KEYS + 1
    fresh_stack.container("redis").exec_run(["chmod", "755", "/data"], user="root")
    redis.bgsave()
    fresh_stack.container("redis").stop(timeout=5)

    started = recover.fn(masking)

    assert started.ending is Ending.RECOVERED, started.reason
    assert steps(started) == [("start_redis", "Redis", "changed")]
    assert fresh_stack.redis().get("aws_masker:map:NEW") == "written since"


def test_where_the_newest_backup_has_rotted_an_older_one_is_taken(
    masking: Environment, fresh_stack: DockerStack, filled: BackupManifest
) -> None:
    """It was proven once, and its file is damaged since: the one before it is tried beside the stack, and restored."""
    newest = take_backup.fn(masking, SCHEDULED)
    record_proof.fn(masking, newest.id, Proof.PROVEN)
    data = Path(masking.docker_stack.backups.directory or "") / masking.name / newest.id / DATA
    data.chmod(0o600)
    data.write_bytes(data.read_bytes()[:-100])
    lose_data(fresh_stack)

    outcome = recover.fn(in_tier(masking, Tier.DEVELOPMENT))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert (outcome.plan.rung, outcome.plan.target) == ("restore-older", filled.id)
    assert mappings(fresh_stack) == KEYS
    assert f"{newest.id} was tried" in outcome.plan.reasons
    assert [each for each in steps(outcome) if each[2] == "changed"] == [
        ("restore_redis_data", "Redis data", "changed")
    ]
    folder = f"/data/backstop-kept-{outcome.incident}-1"
    assert fresh_stack.container("redis").exec_run(["ls", f"{folder}/complete.json"]).exit_code == 0
