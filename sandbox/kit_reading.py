"""An independent look at the qa environment: nothing is received, nothing of Backstop's is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sandbox.kit_runs import processes_of
from sandbox.places import Home
from sandbox.test_kit.place import INTAKE, INTAKE_FIFO, QUEUES, Kept, KitPlace


@dataclass(frozen=True, slots=True)
class KitReading:
    """Everything of qa that a recovery may touch."""

    queues: dict[str, list[tuple[str, str, str]]]
    """What each queue holds: message id, body, group. In order; where tests publish only the order's name is told, the
    rest is drawn anew by each run."""
    hidden: dict[str, int]
    """How many messages of each queue nobody can receive now."""
    alive: tuple[str, ...]
    """Runs that have a process left."""
    locks: tuple[str, ...]
    runs: tuple[str, ...]
    """Names of the run folders."""


def read(home: Home) -> KitReading:
    """Look at qa now."""
    place = KitPlace(home)
    held = {name: place.held(name) for name in QUEUES}
    runs = tuple(sorted(path.name for path in place.artifacts.iterdir())) if place.artifacts.exists() else ()
    targets = (INTAKE, INTAKE_FIFO)
    return KitReading(
        queues={
            name: [_told(m, drawn=name in targets) for m in _ordered(name, messages)]
            for name, messages in held.items()
        },
        hidden={name: sum(not m.visible for m in messages) for name, messages in held.items()},
        alive=tuple(run for run in runs if processes_of(place, run)),
        locks=tuple(sorted(path.name for path in (place.folder / "locks").glob("*.lock"))),
        runs=runs,
    )


def _told(message: Kept, *, drawn: bool) -> tuple[str, str, str]:
    if drawn:
        return "", str(json.loads(message.body)["order"]), message.group
    return message.id, message.body, message.group


def _ordered(queue: str, messages: list[Kept]) -> list[Kept]:
    """A FIFO queue's order is a promise, a standard queue's is none."""
    return messages if queue.endswith(".fifo") else sorted(messages, key=lambda message: message.body)
