"""The rungs of a ladder: the ways to recover, from the safest to the bluntest, and who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from rules.outcomes import Effect, Finding, Verification
from rules.plans import Plan
from rules.values import Frozen

Snapshot = dict[str, str]
"""The state before, by subject; never a secret."""


class Request(Frozen):
    """Who asks for it and why. Nothing here is needed at 3 a.m.: every field may stay empty."""

    requested_by: str = Field(
        default="",
        max_length=80,
        title="Your name",
        description="Who asks. Where two people must approve, this is not one of them.",
    )
    reason: str = Field(default="", max_length=500, title="Reason", description="For the report.")
    insist: bool = Field(
        default=False,
        title="Insist",
        description="Act even though every check passes or cannot be judged: for what only a person can see.",
    )
    break_glass: str = Field(
        default="",
        max_length=500,
        title="Break-glass reason",
        description="Acts at once, past approvals and freezes; reviewed afterwards. Leave empty otherwise.",
    )
    alarm: str = Field(
        default="",
        max_length=40,
        title="Started by alarm",
        description="Its number in the ledger; filled in where an alarm starts the run.",
    )


def _nothing_to_undo(_plan: Plan, _before: Snapshot) -> Sequence[Callable[[], Effect]]:
    return ()


def _as_planned(plan: Plan) -> Snapshot:
    return {change.subject: change.before for change in plan.changes}


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to recover, with its own plan. Limits are seconds of wall clock.

    `decide` raises NoWayBack when this way cannot help. `act` calls actions only. `verify` reads the world
    again, independently. `undo` returns the steps back in the order the steps there were made; the frame
    tries every one of them, last in first out. A rung that `holds` only keeps the damage from growing: proven
    or not, the incident ends as not recovered, and a person is paged.
    """

    name: str
    decide: Callable[[Finding], Plan]
    act: Callable[[Plan], None]
    verify: Callable[[Plan], Verification]
    undo: Callable[[Plan, Snapshot], Sequence[Callable[[], Effect]]] = _nothing_to_undo
    snapshot: Callable[[Plan], Snapshot] = _as_planned
    act_seconds: float = 600.0
    verify_seconds: float = 900.0
    holds: bool = False
