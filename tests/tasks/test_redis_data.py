"""What is said of Redis is true, where PING would mislead."""

from __future__ import annotations

import pytest

from blocks.environment import Environment
from blocks.secret_reference import SecretReference
from rules.outcomes import Verdict
from rules.redis_health import judge_redis
from sandbox.stack.stack import DockerStack, wait_for
from tasks.containers import recent_log
from tasks.redis_data import count_keys, look_at_redis, redis_canary

pytestmark = [pytest.mark.real, pytest.mark.slow]


def verdicts(environment: Environment) -> dict[str, Verdict]:
    """Each check's verdict, looked at now."""
    checks = judge_redis(
        look_at_redis.fn(environment), redis_canary.fn(environment), recent_log.fn(environment, "redis")
    )
    return {check.name: check.verdict for check in checks}


def test_a_healthy_redis_passes_and_is_counted(masking: Environment, fresh_stack: DockerStack) -> None:
    """Every check passes, keys are counted by prefix, and looking leaves no key behind."""
    fresh_stack.fill(5000)
    fresh_stack.redis().set("somebody-elses", "1")

    assert set(verdicts(masking).values()) == {Verdict.PASS}

    counts = count_keys.fn(masking)
    assert counts.total == 5001
    assert counts.by_prefix == {"aws_masker:map:": 2500, "aws_masker:rev:": 2500}
    assert look_at_redis.fn(masking).key_count == 5001
    assert look_at_redis.fn(masking).eviction_policy == "volatile-lru"
    assert fresh_stack.redis().keys("backstop:*") == []


def test_mappings_of_another_kind_are_found_among_many(
    masking: Environment, fresh_stack: DockerStack
) -> None:
    """Each kind is counted on whatever page it stands; what is not under a prefix may be of any kind."""
    fresh_stack.fill(3000)
    redis = fresh_stack.redis()
    for number in range(7):
        redis.lpush(f"aws_masker:map:list-{number}", "x")
        redis.lpush(f"somebody-elses-{number}", "x")
    redis.zadd("aws_masker:rev:odd", {"x": 1})

    counts = count_keys.fn(masking)

    assert counts.kinds == {"list": 7, "zset": 1}
    assert counts.total == 3015
    assert counts.by_prefix == {"aws_masker:map:": 1507, "aws_masker:rev:": 1501}


def test_a_redis_that_cannot_save_fails_its_canary(masking: Environment, fresh_stack: DockerStack) -> None:
    """Its data and DBSIZE look fine while it refuses every write: the canary and its persistence say so."""
    fresh_stack.container("redis").exec_run(["chmod", "555", "/data"], user="root")
    fresh_stack.redis().bgsave()
    wait_for(lambda: not look_at_redis.fn(masking).last_save_ok, "the save fails", 10)

    seen = verdicts(masking)

    assert seen["redis answers"] is Verdict.PASS
    assert seen["redis persistence"] is Verdict.FAIL
    assert seen["redis canary"] is Verdict.FAIL
    assert "MISCONF" in redis_canary.fn(masking).reason


def test_a_redis_with_a_corrupt_file_says_why(masking: Environment, fresh_stack: DockerStack) -> None:
    """A crash loop over its data is told with the line of the log that names the damage."""
    container = fresh_stack.container("redis")
    container.exec_run(["sh", "-c", "for f in /data/masker-aof/*.rdb; do echo rubbish > $f; done"])
    container.kill()
    container.start()

    def told() -> str:
        checks = judge_redis(look_at_redis.fn(masking), None, recent_log.fn(masking, "redis"))
        return next(
            (
                check.reason
                for check in checks
                if check.name == "redis answers" and check.verdict is Verdict.FAIL
            ),
            "",
        )

    wait_for(lambda: not look_at_redis.fn(masking).answers, "it is down", 10)
    wait_for(lambda: "cannot load its data: " in told(), "the damage is named", 10)


def test_a_wrong_password_is_named_and_never_shown(masking: Environment) -> None:
    """The reference is named; the password, right or wrong, is not."""
    redis = masking.docker_stack.redis.model_copy(
        update={"password": SecretReference(source="environment", name="WRONG_PASSWORD")}
    )
    platform = masking.docker_stack.model_copy(update={"redis": redis})
    wrong = masking.model_copy(update={"platform": platform})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WRONG_PASSWORD", "hunter2-hunter2")
        look = look_at_redis.fn(wrong)

    assert not look.answers
    assert "refuses the password" in look.reason
    assert "hunter2" not in look.reason
