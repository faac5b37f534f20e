"""What a fault of a drill is: how it is prepared, brought about, found again and undone.

Nothing here is an action of an incident: a drill holds none. Its row in the ledger is its journal, and the note that
`prepare` gives is in it before `inject` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from blocks.environment import Environment
from rules.drills import FaultName

Note = Mapping[str, str]
"""What is needed to bring a fault about and to undo it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a fault may need to know. Releases are those that the ledger remembers, the newest first."""

    drill: str
    alarm: str = ""
    releases: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    """Those that were proven to be bad."""
    queue: str = ""
    table: str = ""
    """What the environment's file lets be hit."""


def _nothing_more(_environment: Environment, _note: Note) -> dict[str, str]:
    return {}


def _nothing_to_say(_environment: Environment, _note: Note) -> Mapping[str, object] | None:
    return None


@dataclass(frozen=True, slots=True)
class DrillFault:
    """One way to break an environment on purpose.

    `prepare` only looks; RecoveryRefused says why the fault cannot be brought about here. `inject` may be killed
    anywhere. `undo` may be called at any time, and again: it takes back what is left of the fault, says what that was,
    and leaves alone what a recovery has put right.
    """

    name: FaultName
    prepare: Callable[[Environment, Wish], dict[str, str]]
    inject: Callable[[Environment, Note], None]
    undo: Callable[[Environment, Note], str]
    marked: Callable[[Environment, Note], dict[str, str]] = _nothing_more
    """How what it hits stands, to compare: of what nobody but the drill knows that it has to be there."""
    word: Callable[[Environment, Note], Mapping[str, object] | None] = _nothing_to_say
    """What a person would ask its recovery for, where no alarm tells of it; None: it is too early to ask."""
