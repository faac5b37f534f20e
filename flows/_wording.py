"""How times, counts and rows of the ledger are worded for people."""

from __future__ import annotations

from rules.outcomes import Ending

ENDINGS: dict[str, str] = {
    Ending.RECOVERED: "Recovered",
    Ending.NOTHING_TO_DO: "Nothing to do",
    Ending.REHEARSED: "Rehearsed, nothing changed",
    Ending.REFUSED: "Refused, nothing changed",
    Ending.ALREADY_HANDLED: "Already handled",
    Ending.NOT_RECOVERED: "Not recovered",
    Ending.UNDO_FAILED: "Not recovered, and the undo failed",
}
"""Each ending as a headline."""


def headline(scenario: str) -> str:
    """A scenario's name as people say it: `canary-failure` is «Canary failure»."""
    return scenario.replace("-", " ").replace("_", " ").capitalize()


def action_name(action: str) -> str:
    """An action's name as a phrase: `set_function_code` is «set function code»."""
    return action.replace("_", " ")


def short_seconds(seconds: float, *, exact: bool = True) -> str:
    """A duration to glance at: `0.31 s`, `48.2 s`, `6 min 17 s`, `2 h 5 min`; not exact: `5 min`."""
    if seconds < 60:
        if not exact and seconds == int(seconds):
            return f"{int(seconds)} s"
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {left} s" if left else f"{minutes} min"


def several(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 step`, `3 steps`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
