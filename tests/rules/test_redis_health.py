"""What is held of Redis, by tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.health import Look
from rules.outcomes import Verdict
from rules.redis_health import RedisLook, count_by_prefix, judge_redis, load_fault

WELL = RedisLook(answers=True, version="7.0.15", key_count=10, used_memory=50, max_memory=100)


@pytest.mark.parametrize(
    ("change", "check", "verdict"),
    [
        ({}, "redis answers", Verdict.PASS),
        ({"loading": True}, "redis answers", Verdict.INCONCLUSIVE),
        ({"answers": False, "reason": "refused"}, "redis answers", Verdict.FAIL),
        ({"last_save_ok": False}, "redis persistence", Verdict.FAIL),
        ({"last_append_ok": False}, "redis persistence", Verdict.FAIL),
        ({"used_memory": 99, "eviction_policy": "noeviction"}, "redis memory", Verdict.FAIL),
        ({"used_memory": 99, "eviction_policy": "volatile-lru"}, "redis memory", Verdict.PASS),
        ({"max_memory": 0}, "redis memory", Verdict.PASS),
    ],
)
def test_each_trouble_has_its_check(change: dict[str, object], check: str, verdict: Verdict) -> None:
    """One thing wrong fails one check."""
    judged = {one.name: one.verdict for one in judge_redis(WELL.model_copy(update=change))}

    assert judged.pop(check) is verdict
    assert set(judged.values()) <= {Verdict.PASS}


def test_the_canary_is_a_check_of_its_own() -> None:
    """Redis may answer and still keep nothing."""
    canary = Look(verdict=Verdict.FAIL, reason="MISCONF")

    assert [one.verdict for one in judge_redis(WELL, canary)][:2] == [Verdict.PASS, Verdict.FAIL]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            ["1:M 28 Nov 2026 # Wrong signature trying to load DB from file"],
            "Wrong signature trying to load DB",
        ),
        (
            ["1:M 28 Nov 2026 # Internal error in RDB reading offset 9", "1:M * Ready"],
            "Internal error in RDB",
        ),
        (
            [
                "*** FATAL AOF MANIFEST FILE ERROR ***",
                "Reading the manifest file, at line 1",
                ">>> 'no data'",
            ],
            "*** FATAL AOF MANIFEST",
        ),
        (["1:M 28 Nov 2026 * Ready to accept connections"], ""),
        ([], ""),
    ],
)
def test_a_log_says_why_it_could_not_load(log: list[str], told: str) -> None:
    """The fatal line is found, without its time; a good start has none."""
    found = load_fault(log)

    assert found.startswith(told)
    assert bool(found) == bool(told)


@given(st.lists(st.text("ab:", max_size=5)), st.lists(st.text("ab:", min_size=1, max_size=3), unique=True))
def test_a_key_counts_once_under_its_longest_prefix(keys: list[str], prefixes: list[str]) -> None:
    """Overlapping prefixes never count a key twice, and none that fits is lost."""
    counts = count_by_prefix(keys, prefixes)

    assert sum(counts.values()) == sum(key.startswith(tuple(prefixes)) for key in keys)
    assert set(counts) == set(prefixes)
