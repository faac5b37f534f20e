"""The drills' faults of a Docker stack, on a real engine and a real Redis."""

from __future__ import annotations

import pytest

from blocks.environment import Environment
from rules.drills import AllowedDrill, FaultName
from rules.errors import RecoveryRefused
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack
from tasks.drill_faults import Wish, inject_fault, prepare_fault, undo_fault, world_of
from tests.lone_redis import LoneRedis

pytestmark = [pytest.mark.real, pytest.mark.slow]

GATEWAY = AllowedDrill(fault=FaultName.KILLED_GATEWAY)
REDIS = AllowedDrill(fault=FaultName.CORRUPTED_REDIS)
WISH = Wish(drill="drl-1")
PREFIX, KEYS = "aws_masker:", 1234


def test_the_gateway_is_killed_stays_down_and_is_started_again(fresh_stack: DockerStack) -> None:
    """Nothing else of the stack is touched; undone again, nothing is done; one that is down is not drilled."""
    place = Environment.model_validate(described(fresh_stack))
    before, note = world_of(place), prepare_fault(place, GATEWAY, WISH)

    inject_fault(place, GATEWAY.fault, note)
    broken = world_of(place)
    with pytest.raises(RecoveryRefused, match="does not run"):
        prepare_fault(place, GATEWAY, WISH)
    left = undo_fault(place, GATEWAY.fault, note)

    assert fresh_stack.container("kong").status == "running"
    assert {name for name in before if broken[name] != before[name]} == {"service kong"}
    assert left == ("kong was still down", "")
    assert world_of(place) == before
    assert undo_fault(place, GATEWAY.fault, note) == ("", "")


def test_a_gateway_that_was_made_anew_is_left_alone(fresh_stack: DockerStack) -> None:
    """A recovery may replace the container: there is nothing to start any more."""
    place = Environment.model_validate(described(fresh_stack))
    note = prepare_fault(place, GATEWAY, WISH)
    inject_fault(place, GATEWAY.fault, note)
    fresh_stack.container("kong").remove(force=True)

    assert undo_fault(place, GATEWAY.fault, note) == ("", "")


def filled(lone: LoneRedis) -> dict[str, str]:
    """What the service keeps, one key of it for a while only, beside a key of somebody else."""
    told = {f"{PREFIX}{number:05}": f"value {number}" for number in range(KEYS)}
    redis = lone.redis()
    redis.mset(told)
    redis.expire(f"{PREFIX}00001", 3600)
    redis.set("somebody-else", "stays")
    return told


def held(lone: LoneRedis) -> dict[str, str]:
    """Every key and value."""
    redis = lone.redis()
    keys = sorted(str(key) for key in redis.scan_iter(count=1000))
    return dict(zip(keys, map(str, redis.mget(keys)), strict=True))


def test_most_keys_are_missed_and_come_back_as_they_were(lone: LoneRedis) -> None:
    """Four of five are not found; back they have their values and their time; somebody else's is not touched."""
    filled(lone)
    before, note = held(lone), prepare_fault(lone.environment, REDIS, WISH)

    inject_fault(lone.environment, REDIS.fault, note)
    found = [key for key in held(lone) if key.startswith(PREFIX)]
    inject_fault(lone.environment, REDIS.fault, note)
    left, _ = undo_fault(lone.environment, REDIS.fault, note)

    assert 0 < len(found) < KEYS * 0.3
    assert left.endswith("keys were still away")
    assert held(lone) == before
    assert 3000 < int(str(lone.redis().ttl(f"{PREFIX}00001"))) <= 3600
    assert undo_fault(lone.environment, REDIS.fault, note) == ("", "")


def test_what_was_written_again_is_kept(lone: LoneRedis) -> None:
    """A key that the service made anew meanwhile is the newer one; the copy goes."""
    filled(lone)
    note = prepare_fault(lone.environment, REDIS, WISH)
    inject_fault(lone.environment, REDIS.fault, note)
    lone.redis().set(f"{PREFIX}00001", "newer")

    undo_fault(lone.environment, REDIS.fault, note)

    assert held(lone)[f"{PREFIX}00001"] == "newer"
    assert len(held(lone)) == KEYS + 1


def test_an_empty_redis_is_not_drilled(lone: LoneRedis) -> None:
    """There is nothing that could be missed."""
    with pytest.raises(RecoveryRefused, match="holds nothing"):
        prepare_fault(lone.environment, REDIS, WISH)
