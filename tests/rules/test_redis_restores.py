"""What has to lie in Redis's folder, and whether it started with a backup's data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rules.backups import BackupKind, BackupManifest, DataFacts
from rules.outcomes import Verdict
from rules.redis_restores import (
    Loaded,
    append_files,
    append_manifest,
    has_several_append_files,
    judge_held,
    judge_loaded,
    same_place,
)
from rules.redis_settings import RedisSettings, config_path, from_files, says_where

NOW = datetime(2026, 1, 31, 3, 12, tzinfo=UTC)


def settings(**other: Any) -> RedisSettings:
    """An append-only Redis with these differences."""
    known = from_files("appendonly yes", ["redis-server"], "/data", "7.0.15")
    return known.model_copy(update=other)


def manifest(**facts: Any) -> BackupManifest:
    """A backup of a hundred keys, counted in its file, with a canary."""
    known: dict[str, Any] = {
        "key_count": 100, "counted_in": "file", "by_prefix": {}, "canary_key": "c", "canary_value": "v",
        "written_by": "save"}  # fmt: skip
    return BackupManifest(
        id="20260131-031200-manual-3fa2", environment="masking", project="p", engine_id="e", files=(), images={},
        kind=BackupKind.MANUAL, began_at=NOW, finished_at=NOW, data=DataFacts(**known | facts), redis=settings(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names", "number"),
    [
        ("", (), 1),
        (
            "file a.1.base.rdb seq 1 type b\nfile a.4.incr.aof seq 4 type i\n",
            ("a.1.base.rdb", "a.4.incr.aof"),
            5,
        ),
        ('# comment\nfile "a b.2.base.rdb" seq 2 type b\n', ("a b.2.base.rdb",), 3),
    ],
)
def test_an_append_only_files_parts_are_known(text: str, names: tuple[str, ...], number: int) -> None:
    """Names may be quoted; the next number is one that none of them has."""
    found = append_files(text)

    assert found is not None
    assert (found.names, found.next_number) == (names, number)


def test_a_manifest_that_makes_no_sense_is_not_guessed_at() -> None:
    """One line that cannot be read, and nothing of it is believed."""
    assert append_files("file a seq 1 type b\nfile a.b seq") is None


def test_what_is_written_can_be_read_again() -> None:
    """Our own manifest lists a base and what comes after it, also under a name with a space."""
    found = append_files(append_manifest(settings(append_file="own file"), 7))

    assert found is not None
    assert found.names == ("own file.7.base.rdb", "own file.7.incr.aof")
    assert found.next_number == 8


@pytest.mark.parametrize(
    ("version", "several"), [("6.2.14", False), ("7.0.15", True), ("8.0", True), ("", True)]
)
def test_older_versions_have_one_append_only_file(version: str, several: bool) -> None:
    """Before 7 it was one file in the data folder; what does not tell is taken for a new one."""
    assert has_several_append_files(version) is several


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"save": "60 1"}, True),
        ({"data_file": "x.rdb"}, False),
        ({"append_only": False}, False),
        ({"append_directory": "x"}, False),
    ],
)
def test_the_same_place_is_where_the_same_file_is_believed(other: dict[str, Any], same: bool) -> None:
    """What does not decide where the data lies makes no difference."""
    assert same_place(settings(), settings(**other)) is same


@pytest.mark.parametrize(
    ("facts", "loaded", "verdict", "said"),
    [
        ({}, Loaded(read=100, held=90, canary="v"), Verdict.PASS, "100 keys"),
        ({}, Loaded(read=10, held=10, canary="v"), Verdict.FAIL, "read 10 keys, the backup has 100"),
        ({}, Loaded(read=100, held=100, canary="other"), Verdict.FAIL, "canary"),
        ({}, Loaded(read=0, held=0, canary=""), Verdict.FAIL, "canary"),
        ({}, Loaded(read=None, held=97, canary="v"), Verdict.PASS, "97 keys"),
        (
            {"canary_key": "", "counted_in": "server"},
            Loaded(read=93, held=93, canary=""),
            Verdict.PASS,
            "about that",
        ),
        (
            {"canary_key": "", "counted_in": "server"},
            Loaded(read=0, held=0, canary=""),
            Verdict.FAIL,
            "empty",
        ),
        ({"canary_key": "", "key_count": 0}, Loaded(read=0, held=0, canary=""), Verdict.PASS, "0 keys"),
    ],
)
def test_what_redis_read_is_compared_with_the_backup(
    facts: dict[str, Any], loaded: Loaded, verdict: Verdict, said: str
) -> None:
    """Keys that expired since count as read; where the backup's own count is inexact, the canary decides."""
    check = judge_loaded(manifest(**facts), loaded)

    assert check.verdict is verdict
    assert said in check.reason


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Loaded(held=130, canary="v"), Verdict.PASS),
        (Loaded(held=95, canary="v"), Verdict.PASS),
        (Loaded(held=70, canary="v"), Verdict.FAIL),
        (Loaded(held=130, canary=""), Verdict.FAIL),
    ],
)
def test_restored_data_may_grow_but_not_shrink(seen: Loaded, verdict: Verdict) -> None:
    """Clients have written since: more keys and a few less are right, a loss or another backup's canary is not."""
    assert judge_held(manifest(), seen).verdict is verdict


@pytest.mark.parametrize(
    ("command", "path", "shown"),
    [
        (["redis-server", "/etc/redis.conf"], "/etc/redis.conf", True),
        (["sh", "-c", 'exec redis-server /etc/redis/redis --requirepass "$P"'], "/etc/redis/redis", True),
        (["docker-entrypoint.sh", "/conf/x.conf"], "/conf/x.conf", True),
        (["docker-entrypoint.sh", "redis-server"], "", True),
        (["/opt/vendor/run.sh"], "", False),
    ],
)
def test_a_command_shows_its_file_or_that_it_shows_none(command: list[str], path: str, shown: bool) -> None:
    """Where a vendor's script hides everything, nothing is concluded from it."""
    assert config_path(command) == path
    assert says_where(command) is shown
