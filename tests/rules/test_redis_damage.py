"""Damaged data is told from a service that is ill, and what a restore costs is said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rules.outcomes import Check, Verdict
from rules.redis_damage import cost, found, is_damaged, is_down, judge_data, judge_load
from rules.redis_health import KeyCounts, RedisLook, judge_redis
from rules.severity import Destructiveness, Severity, Situation
from rules.stack_restore_points import RestorePoint
from tests.rules.test_redis_restores import manifest

UP, DOWN = RedisLook(answers=True), RedisLook(answers=False, reason="nobody listens")
BEFORE = {"by_prefix": {"aws_masker:": 1000}, "kinds": {"hash": 1}}


def counted(keys: int, **kinds: int) -> KeyCounts:
    """So many keys are there."""
    return KeyCounts(total=keys, by_prefix={"aws_masker:": keys}, kinds=kinds)


@pytest.mark.parametrize(
    ("counts", "damaged"),
    [
        (counted(1000), False),
        (counted(850), False),
        (counted(790), True),
        (counted(0), True),
        (counted(5000), False),
        (counted(1000, hash=3), False),
        (counted(1000, list=1), True),
    ],
)
def test_a_loss_and_another_kind_are_damage(counts: KeyCounts, damaged: bool) -> None:
    """Keys come and go; a fifth of them does not, nor does a string become a list."""
    checks = judge_data(counts, manifest(**BEFORE))

    assert is_damaged(checks) is damaged
    assert found(checks, Severity.CRITICAL).situation is (Situation.DATA_CORRUPT if damaged else None)


def test_without_a_backup_nothing_can_be_said_of_the_keys() -> None:
    """Neither pass nor fail; and of a Redis that does not answer its service speaks."""
    [check] = judge_data(counted(0), None)
    assert check.verdict is Verdict.INCONCLUSIVE
    assert judge_data(None, manifest()) == []


def test_an_older_backup_that_did_not_look_at_kinds_accuses_nobody() -> None:
    """Its manifest has no such figures."""
    assert not is_damaged(judge_data(counted(100, list=5), manifest()))


@pytest.mark.parametrize(
    ("log", "damaged"),
    [
        (["1:M 31 Jan # Short read or OOM loading DB. Unrecoverable error, aborting now."], True),
        (["1:M 31 Jan # Fatal error loading the DB, check server logs. Exiting."], True),
        (["1:M 31 Jan * Ready to accept connections"], False),
    ],
)
def test_a_load_error_is_damage_and_a_mere_stop_is_not(log: list[str], damaged: bool) -> None:
    """Only its own words say that the data is at fault; a server that answers has got over them."""
    assert is_damaged([judge_load(DOWN, log)]) is damaged
    assert is_down(judge_redis(DOWN, None, log))
    assert not is_damaged([judge_load(UP, log)])


def test_one_that_cannot_save_is_ill_and_not_damaged() -> None:
    """An older backup would be put over newer data."""
    checks = judge_redis(RedisLook(answers=True, last_save_ok=False))

    assert any(check.verdict is Verdict.FAIL for check in checks)
    assert not is_damaged(checks)
    assert found(checks, Severity.CRITICAL).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("down", "within", "wanted"),
    [
        (True, True, Destructiveness.REVERSIBLE),
        (False, True, Destructiveness.DISRUPTIVE),
        (True, False, Destructiveness.DESTRUCTIVE),
        (False, False, Destructiveness.DESTRUCTIVE),
    ],
)
def test_what_it_costs_decides_who_is_asked(down: bool, within: bool, wanted: Destructiveness) -> None:
    """A server that serves nobody has nothing to lose within the objective; beyond it people decide."""
    point = RestorePoint(
        backup="20260131-031200-manual-3fa2",
        taken_at=datetime(2026, 1, 31, 3, 12, tzinfo=UTC),
        lost_seconds=60,
        within_objective=within,
        reasons=(),
    )
    check = Check(name="redis answers", verdict=Verdict.FAIL if down else Verdict.PASS, reason="")

    assert cost([check], point)[0] is wanted
