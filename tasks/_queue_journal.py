"""What a sweep of a queue writes down on this host, so that a run after its death finishes it.

Held messages: their receipt handles, so that nobody waits for what a dead run hid. Sent batches: the intent before, the
result after. What was accounted for: so that nothing is searched twice.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blocks.settings import settings


class QueueJournal:
    """The notes of one run's recovery in one environment."""

    def __init__(self, environment: str, run_id: str) -> None:
        self._folder = settings().home / "queues" / environment / run_id
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._writing = threading.Lock()

    def hold(self, queue: str, handles: Sequence[str], until: float) -> None:
        """Note that we hide these until then. Only a dead machine loses it, and its holds run out."""
        self._append(self._holds(queue), [{"handles": handles, "until": until}], safe=False)

    def held(self, queue: str) -> Held | None:
        """What a dead run may still hide."""
        lines = self._lines(self._holds(queue))
        if not lines:
            return None
        handles = tuple(str(handle) for line in lines for handle in line["handles"])
        return Held(handles, max(float(line["until"]) for line in lines))

    def released(self, queue: str) -> None:
        """Note that nothing is hidden any more."""
        self._holds(queue).unlink(missing_ok=True)

    def account(self, queue: str, facts: Mapping[str, Any]) -> None:
        """Note what a finished search of a queue found."""
        self._append(self._folder / "accounts.jsonl", [{"queue": queue, **facts}], safe=True)

    def accounts(self) -> dict[str, dict[str, Any]]:
        """The newest finished search of each queue."""
        return {str(line["queue"]): line for line in self._lines(self._folder / "accounts.jsonl")}

    def sending(self, ids: Iterable[str], total: int) -> None:
        """Note that these are about to be sent, and how many messages the target held before."""
        self._append(self._folder / "moves.jsonl", [{"sending": sorted(ids), "total": total}], safe=True)

    def sent(self, ids: Iterable[str]) -> None:
        """Note that these were sent. Lost with the machine it is an intent again, which is looked up."""
        self._append(self._folder / "moves.jsonl", [{"sent": sorted(ids)}], safe=False)

    def uncertain(self, ids: Iterable[str]) -> None:
        """Note that nobody can tell any more whether these were sent."""
        self._append(self._folder / "moves.jsonl", [{"uncertain": sorted(ids)}], safe=True)

    def moves(self) -> Moves:
        """Where each message that was sent on stands."""
        moves, intents = Moves(), dict[str, _Intent]()
        for line in self._lines(self._folder / "moves.jsonl"):
            if "sending" in line:
                intent = _Intent(int(line["total"]))
                intents |= dict.fromkeys(line["sending"], intent)
            for one in line.get("sent", ()):
                intents.pop(one).expected += 1
                moves.sent.add(one)
            for one in line.get("uncertain", ()):
                del intents[one]
                moves.uncertain.add(one)
        moves.pending = {one: intent.expected for one, intent in intents.items()}
        return moves

    def _holds(self, queue: str) -> Path:
        return self._folder / f"{queue.rpartition('/')[2]}.holds.jsonl"

    def _append(self, path: Path, lines: Iterable[Mapping[str, Any]], *, safe: bool) -> None:
        text = "".join(json.dumps(dict(line)) + "\n" for line in lines)
        if not text:
            return
        with self._writing, path.open("a", encoding="utf-8") as file:
            file.write(text)
            if safe:
                file.flush()
                os.fsync(file.fileno())

    @staticmethod
    def _lines(path: Path) -> list[dict[str, Any]]:
        if not path.exists():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # cut off by the death that we recover from
        return found


@dataclass(frozen=True, slots=True)
class Held:
    """Receipt handles, and when (Unix time) the last hold that was noted runs out."""

    handles: tuple[str, ...]
    until: float


@dataclass(slots=True)
class _Intent:
    """Messages that were about to be sent together. `expected`: what the target holds if nobody takes from it."""

    expected: int


@dataclass(slots=True)
class Moves:
    """Ids of messages that were sent, and of those that nobody can tell of.

    `pending` were begun to be sent by a run that died: how many messages the target holds without them.
    """

    sent: set[str] = field(default_factory=set)
    pending: dict[str, int] = field(default_factory=dict)
    uncertain: set[str] = field(default_factory=set)
