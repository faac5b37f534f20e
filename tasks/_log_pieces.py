"""Log events that were read, kept a window at a time: a reading that is killed goes on where it stood."""

from __future__ import annotations

import hashlib
import heapq
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from blocks.settings import settings
from rules.log_reading import LogEvent, ReadLogs, Window, each_once
from tasks._whole_files import sha256_of, whole_file

LOGS, MANIFEST = "logs.jsonl", "logs.json"
"""Names in a run's folder: its events, and what is known of them."""


class Pieces:
    """What one reading has so far. A window that is kept is whole."""

    def __init__(self, environment: str, run_id: str, number: int, groups: Iterable[str]) -> None:
        self._folder = settings().home / "logs" / environment / run_id / str(number)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._groups = {_mark(group): group for group in groups}

    def keep(self, window: Window, events: Iterable[LogEvent]) -> None:
        """Keep a window's events. Keeping them again changes nothing."""
        with whole_file(self._folder / f"{_mark(window.group)}-{window.start}-{window.end}.jsonl") as file:
            file.writelines(_line(event) for event in each_once(sorted(events)))

    def done(self) -> list[Window]:
        """The windows that are kept."""
        return [window for window, _ in self._kept()]

    def events(self) -> Iterator[LogEvent]:
        """Everything that is kept, in order; a window at a time is in memory."""
        return heapq.merge(*map(self._of_group, self._groups.values()))

    def forget(self) -> None:
        """Remove them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _of_group(self, wanted: str) -> Iterator[LogEvent]:
        for window, path in self._kept():
            if window.group == wanted:
                yield from read_events(path)

    def _kept(self) -> list[tuple[Window, Path]]:
        found = []
        for path in self._folder.glob("*.jsonl"):
            mark, start, end = path.stem.split("-")
            if mark in self._groups:
                found.append((Window(self._groups[mark], int(start), int(end)), path))
        return sorted(found)


def read_events(path: Path) -> Iterator[LogEvent]:
    """The events in a file, as the kit writes them; a line that was cut off is left out."""
    if path.is_symlink() or not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                told = json.loads(line)
                yield LogEvent(int(told["time"]), str(told["group"]), str(told["id"]), str(told["message"]))
            except (ValueError, KeyError, TypeError):
                continue


def write_logs(folder: Path, events: Iterable[LogEvent], wanted: ReadLogs) -> ReadLogs:
    """Write a run's logs whole, with what is known of them beside them."""
    count = 0
    with whole_file(folder / LOGS) as file:
        for event in each_once(events):
            file.write(_line(event))
            count += 1
    read = wanted.model_copy(update={"events": count})
    told = read.model_dump(mode="json", exclude={"whole"}) | {"sha256": sha256_of(folder / LOGS)}
    with whole_file(folder / MANIFEST) as file:
        file.write(json.dumps(told, indent=1).encode())
    return read


def read_manifest(folder: Path) -> ReadLogs | None:
    """What is known of a run's logs; None: they were never read to their end by us."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        whole = told.pop("sha256") == sha256_of(folder / LOGS)
        return ReadLogs(**told, whole=whole)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _mark(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()[:16]


def _line(event: LogEvent) -> bytes:
    told = {"group": event.group, "id": event.id, "time": event.time, "message": event.message}
    return f"{json.dumps(told)}\n".encode()
