"""Looking at Redis and at what it holds, before and after."""

from __future__ import annotations

import time

from blocks.environment import Environment
from flows._stack_health import until_proven
from rules.backups import BackupManifest
from rules.errors import StepFailed
from rules.outcomes import Check, Verification
from rules.redis_damage import judge_data, judge_load
from rules.redis_health import KeyCounts, RedisLook, judge_redis
from rules.stack_restore_points import candidates, made_after_a_loss
from rules.stacks import judge_services
from tasks.backups import read_backups
from tasks.containers import look_at_stack, recent_log
from tasks.gateways import mask_and_unmask
from tasks.kinds import in_parallel, pause, scaled
from tasks.redis_data import count_keys, look_at_redis, redis_canary

_LOADING_SECONDS = 60.0


def checks(environment: Environment, against: str = "") -> list[Check]:
    """Redis's container, its service and its data.

    Args:
        environment: A Docker stack.
        against: The backup to compare with; empty: the newest that was not made after a loss.
    """
    service, look = environment.docker_stack.redis.service, _loaded(environment)
    told = in_parallel(
        [
            lambda: judge_services(look_at_stack(environment), [service]),
            lambda: _service(environment, look),
            lambda: judge_data(_counted(environment, look), _reference(environment, against)),
        ]
    )
    return [check for several in told for check in several]


def watch(environment: Environment, against: str) -> Verification:
    """Look again until everything passes or the time for it is over: masking through the whole stack too."""
    return until_proven(environment, lambda: [*checks(environment, against), *_masking(environment)])


def _service(environment: Environment, look: RedisLook) -> list[Check]:
    log = recent_log(environment, environment.docker_stack.redis.service) if not look.answers else []
    canary = redis_canary(environment) if look.answers and not look.loading else None
    return [*judge_redis(look, canary, log), judge_load(look, log)]


def _loaded(environment: Environment) -> RedisLook:
    """What Redis says, once it has read its data: that takes a while, and is no fault."""
    deadline = time.monotonic() + scaled(_LOADING_SECONDS)
    look: RedisLook = look_at_redis(environment)
    while look.loading and time.monotonic() < deadline:
        pause(1.0)
        look = look_at_redis(environment)
    return look


def _counted(environment: Environment, look: RedisLook) -> KeyCounts | None:
    if not look.answers or look.loading:
        return None
    try:
        counts: KeyCounts = count_keys(environment)
        return counts
    except StepFailed:
        return None  # it went away meanwhile: the next look says so


def _reference(environment: Environment, named: str) -> BackupManifest | None:
    manifests = read_backups(environment)
    lossy = made_after_a_loss(candidates(manifests, {}))
    sound = [each for each in manifests if each.id == named or (not named and each.id not in lossy)]
    return sound[0] if sound else None


def _masking(environment: Environment) -> list[Check]:
    look = mask_and_unmask(environment)
    return [Check(name="masking", verdict=look.verdict, reason=look.reason)] if look is not None else []
