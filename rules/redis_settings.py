"""How a Redis keeps its data: asked of it, or read from its file and command line where CONFIG was renamed away."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

from rules.values import Frozen

DEFAULTS = {
    "dir": "",
    "dbfilename": "dump.rdb",
    "appendonly": "no",
    "appenddirname": "appendonlydir",
    "appendfilename": "appendonly.aof",
    "save": "",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
}
"""What Redis assumes, for the settings that decide whether a restore is one."""


class RedisSettings(Frozen):
    """What decides where Redis keeps its data and which file it believes when it starts."""

    version: str
    directory: str
    data_file: str
    append_only: bool
    append_directory: str
    append_file: str
    save: str
    """When it saves by itself; empty: as Redis assumes, or never."""
    max_memory: str
    eviction_policy: str
    renamed: tuple[str, ...] = ()
    """Commands that were renamed or taken away."""
    learned_from: Literal["CONFIG", "files"]

    @property
    def data_path(self) -> str:
        """Where the data file lies in the container."""
        return f"{self.directory.rstrip('/')}/{self.data_file}"


def from_answer(told: Mapping[str, str], version: str) -> RedisSettings:
    """The settings as CONFIG GET answers them."""
    return _settings({**DEFAULTS, **told}, version, (), "CONFIG")


def from_files(
    file: str, command: Sequence[str], directory: str, version: str, append_only: bool | None = None
) -> RedisSettings:
    """The settings from the configuration file and the command line, which wins.

    Args:
        file: The text of redis.conf; empty: none was given.
        command: The container's command; a shell's script is looked into.
        directory: Where Redis starts, when nothing says otherwise.
        version: Of the server.
        append_only: What INFO says: somebody may have switched it since. None: as it will be after a start.
    """
    lines = [words for line in file.splitlines() if (words := _words(line))]
    lines += _options(command)
    found = {**DEFAULTS, "dir": directory}
    for name, *values in lines:
        if name.lower() in found:
            found[name.lower()] = " ".join(values)
    # Redis goes to `dir` from where it was before.
    if not found["dir"].startswith("/"):
        found["dir"] = f"{directory.rstrip('/')}/{found['dir'].removeprefix('./')}".rstrip("/")
    renamed = tuple(
        sorted({words[1].upper() for words in lines if words[0].lower() == "rename-command" and words[1:]})
    )
    if append_only is not None:
        found["appendonly"] = "yes" if append_only else "no"
    return _settings(found, version, renamed, "files")


def config_path(command: Sequence[str]) -> str:
    """The configuration file that a container's command names; empty: none."""
    words = [word for part in command for word in (_words(part) if " " in part else [part])]
    for before, word in zip(["", *words], words, strict=False):
        if word.startswith("/") and (word.endswith(".conf") or before.endswith("-server")):
            return word
    return ""


def says_where(command: Sequence[str]) -> bool:
    """Whether a command shows how its Redis is set: it names it, or its file, or gives it options."""
    plain = any(word.endswith("redis-server") for word in command)
    return bool(plain or config_path(command) or _options(command))


def _settings(
    found: Mapping[str, str], version: str, renamed: tuple[str, ...], learned: Literal["CONFIG", "files"]
) -> RedisSettings:
    return RedisSettings(
        version=version,
        directory=found["dir"],
        data_file=found["dbfilename"],
        append_only=found["appendonly"] == "yes",
        append_directory=found["appenddirname"],
        append_file=found["appendfilename"],
        save=found["save"],
        max_memory=found["maxmemory"],
        eviction_policy=found["maxmemory-policy"],
        renamed=renamed,
        learned_from=learned,
    )


def _words(line: str) -> list[str]:
    if not line.strip() or line.lstrip().startswith("#"):
        return []
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _options(command: Sequence[str]) -> list[list[str]]:
    """Each `--name value …` of a command line, also of one inside `sh -c`."""
    words = [word for part in command for word in (_words(part) if " " in part else [part])]
    options: list[list[str]] = []
    for word in words:
        if word.startswith("--") and len(word) > 2:
            options.append([word[2:]])
        elif options:
            options[-1].append(word)
    return options
