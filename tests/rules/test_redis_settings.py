"""Redis's settings, read from its file and command line."""

from __future__ import annotations

import pytest

from rules.redis_settings import RedisSettings, from_answer, from_files

FILE = """
# dir /nowhere
dir /var/lib/redis
DBFILENAME masker.rdb
save 3600 1 300 100
appenddirname "masker aof"
rename-command CONFIG ""
rename-command FLUSHALL gone-7f3a
"""


def read(file: str = "", *command: str, directory: str = "/data", append_only: bool = False) -> RedisSettings:
    """The settings of a Redis started so."""
    return from_files(file, command, directory, "7.0.15", append_only)


@pytest.mark.parametrize(
    ("file", "command", "path"),
    [
        ("", ("redis-server",), "/data/dump.rdb"),
        (FILE, ("redis-server", "/etc/redis.conf"), "/var/lib/redis/masker.rdb"),
        (FILE, ("redis-server", "/etc/redis.conf", "--dbfilename", "other.rdb"), "/var/lib/redis/other.rdb"),
        ("", ("sh", "-c", 'exec redis-server --dir /d --requirepass "$P"'), "/d/dump.rdb"),
        ("", ("sh", "-c", "exec redis-server --dir ./d"), "/data/d/dump.rdb"),
        ("dir ./", (), "/data/dump.rdb"),
        ('dir "/with space"', (), "/with space/dump.rdb"),
        ("dir 'unclosed", (), "/data/'unclosed/dump.rdb"),
    ],
)
def test_where_the_data_lies(file: str, command: tuple[str, ...], path: str) -> None:
    """The command line wins over the file, the file over what Redis assumes; both may be relative or quoted."""
    assert read(file, *command).data_path == path


def test_what_was_renamed_and_what_else_decides() -> None:
    """Commands that are gone are listed; whether it appends is what Redis itself says now."""
    found = read(FILE, append_only=True)

    assert found.renamed == ("CONFIG", "FLUSHALL")
    assert (found.append_only, found.append_directory, found.save) == (True, "masker aof", "3600 1 300 100")
    assert read(FILE + "appendonly yes\n").append_only is False


def test_an_answer_of_redis_itself_is_taken_whole() -> None:
    """Where CONFIG GET works, it is believed."""
    told = {"dir": "/data", "dbfilename": "x.rdb", "appendonly": "yes", "save": "", "maxmemory": "100"}
    found = from_answer(told, "7.2.1")

    assert (found.data_path, found.append_only, found.max_memory) == ("/data/x.rdb", True, "100")
    assert found.learned_from == "CONFIG"
