"""What an incident cost in data, as far as its plans tell: what they put in the place of what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rules.backups import taken_at
from rules.plans import Plan
from rules.severity import Destructiveness

_ENDS = {
    "verified": "",
    "undone": " It was undone: the data of before is back.",
    "failed": " It failed on the way: look at what is there now.",
}


def losses(plans: Iterable[tuple[Plan, str]], opened_at: datetime) -> list[str]:
    """One sentence for each plan that replaced or removed data; one sentence where none did.

    `plans` are with what became of them; those that were never carried out cost nothing.
    """
    acted = [(plan, state) for plan, state in plans if state not in ("pinned", "void")]
    if not acted:
        return ["Nothing: no plan was carried out."]
    told = [
        f"{_lost(plan, opened_at)}{_ENDS.get(state, ' It has not ended: look at what is there now.')}"
        for plan, state in acted
        if replaces_data(plan)
    ]
    return told or ["No data: nothing that was carried out replaces or removes any."]


def replaces_data(plan: Plan) -> bool:
    """Whether other data takes the place of what was there, or data goes."""
    return plan.destructiveness is Destructiveness.DESTRUCTIVE or any(
        change.kind == "data" for change in plan.changes
    )


def _lost(plan: Plan, opened_at: datetime) -> str:
    try:
        since = taken_at(plan.target)
    except ValueError:
        return (
            f"{plan.title}: it removes or replaces data; its changes and reasons say which, and what is kept."
        )
    seconds = max(0.0, (opened_at - since).total_seconds())
    return (
        f"Data written after {since:%Y-%m-%d %H:%M:%S} UTC, {seconds:.0f} s before the incident was opened, and until "
        f"the restore: the backup {plan.target} took its place."
    )
