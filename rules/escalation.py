"""Who has to know, how soon, and what they are told.

Runbook sources: 001 «Escalation Matrix» and «Post-Incident Checklist», 004 «Escalation Matrix»,
003 «Rollback Decision Matrix», 000 «Escalation Path».
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rules.outcomes import Ending
from rules.severity import Severity, Situation, Tier
from rules.values import Frozen


class Response(Frozen):
    """How soon somebody has to respond, and who. `seconds` is None for «best effort»."""

    seconds: float | None
    who: str


RESPONSES: dict[Situation, Response] = {
    Situation.TESTS_FAIL: Response(seconds=None, who="the developer"),
    Situation.PREPROD_FAILS: Response(seconds=3600, who="the DevOps team"),
    Situation.ROLLED_BACK: Response(seconds=900, who="the on-call engineer"),
    Situation.NOT_ROLLED_BACK: Response(seconds=0, who="a senior engineer"),
    Situation.DATA_CORRUPT: Response(seconds=0, who="the CTO and a senior engineer"),
    Situation.WRONG_PLACE: Response(seconds=900, who="the team lead and the on-call engineer"),
    Situation.PRODUCTION_TOUCHED: Response(seconds=0, who="the incident commander and the security team"),
}
"""Runbook 001's matrix; then levels 2 and 3 of runbook 000, whose times are ours: it names none."""

DEFAULT_LEVELS: tuple[tuple[float, str], ...] = (
    (300, "technical lead"),
    (600, "infrastructure team"),
    (900, "business owner"),
)
"""Runbook 004's matrix, in seconds after the opening: before the first, the on-call engineer and Backstop try."""

EVERYBODY = 99

_AT_ONCE: dict[Situation, int] = {
    Situation.NOT_ROLLED_BACK: 2,
    Situation.DATA_CORRUPT: EVERYBODY,
    Situation.PRODUCTION_TOUCHED: EVERYBODY,
}
"""How many levels «immediately» wakes: the second is the senior engineer, the CTO is above."""

_AT_LEAST: dict[Situation, int] = {Situation.WRONG_PLACE: 2, Situation.PRODUCTION_TOUCHED: EVERYBODY}
"""How far up it goes wherever the test ran: what it harmed is not its own environment."""

_REACH: dict[Severity, dict[Tier, int]] = {
    Severity.CRITICAL: {
        Tier.DEVELOPMENT: 0,
        Tier.QA: 0,
        Tier.STAGING: 1,
        Tier.PREPROD: 1,
        Tier.PRODUCTION: EVERYBODY,
    },
    Severity.HIGH: {
        Tier.DEVELOPMENT: 0,
        Tier.QA: 0,
        Tier.STAGING: 1,
        Tier.PREPROD: 1,
        Tier.PRODUCTION: EVERYBODY,
    },
    Severity.MEDIUM: {
        Tier.DEVELOPMENT: 0,
        Tier.QA: 0,
        Tier.STAGING: 0,
        Tier.PREPROD: 1,
        Tier.PRODUCTION: 2,
    },
    Severity.LOW: {
        Tier.DEVELOPMENT: 0,
        Tier.QA: 0,
        Tier.STAGING: 0,
        Tier.PREPROD: 0,
        Tier.PRODUCTION: 1,
    },
}
"""How far up a path an open incident may go by itself."""


class Level(Frozen):
    """One step of an environment's escalation path. `after_seconds` counts from the opening."""

    name: str
    after_seconds: float


class Due(Frozen):
    """One level that has to be scheduled. `level` counts from 1."""

    level: int
    name: str
    at: datetime
    reason: str


class Message(Frozen):
    """What a person is told, as Condition, Actions, Needs: readable on a phone, half asleep."""

    title: str
    condition: str
    actions: tuple[str, ...] = ()
    needs: str = ""
    where: str = ""

    @property
    def body(self) -> str:
        """The message below its title, as plain text."""
        parts = [f"CONDITION: {self.condition}"]
        if self.actions:
            parts.append("ACTIONS:\n" + "\n".join(f"- {action}" for action in self.actions))
        if self.needs:
            parts.append(f"NEEDS: {self.needs}")
        if self.where:
            parts.append(self.where)
        return "\n\n".join(parts)


def situation(tier: Tier, ending: Ending | None = None, found: Situation | None = None) -> Situation:
    """Which row of the matrix applies to an incident, open while `ending` is None. `found` is what detection says."""
    if found in (Situation.DATA_CORRUPT, Situation.WRONG_PLACE, Situation.PRODUCTION_TOUCHED):
        return found
    if tier in (Tier.DEVELOPMENT, Tier.QA):
        return Situation.TESTS_FAIL
    if tier is not Tier.PRODUCTION:
        return Situation.PREPROD_FAILS
    bad = (Ending.REFUSED, Ending.NOT_RECOVERED, Ending.UNDO_FAILED)
    failed = ending in bad or (ending is None and found is Situation.NOT_ROLLED_BACK)
    return Situation.NOT_ROLLED_BACK if failed else Situation.ROLLED_BACK


def schedule(
    severity: Severity,
    tier: Tier,
    opened_at: datetime,
    levels: Sequence[Level],
    found: Situation | None = None,
) -> list[Due]:
    """Which levels are paged when, if the incident is still open by then; the soonest first.

    How far it goes up depends on severity and tier; an empty list means that nobody is woken for it. Where the matrix
    says «immediately», that row's people are due at the opening; else the first level within the row's time.
    """
    row = situation(tier, None, found)
    reach = _reach(severity, tier, row)
    within, at_once = RESPONSES[row].seconds, _AT_ONCE.get(row, 0)
    why = f"{severity.value} in {tier.value}: {row.value}" if at_once else f"{severity.value} in {tier.value}"
    delays = {
        number: 0.0 if number <= at_once else level.after_seconds for number, level in enumerate(levels, 1)
    }
    if levels and within is not None:
        delays[1] = min(delays[1], within)
    due = [
        Due(
            level=number,
            name=level.name,
            at=opened_at + timedelta(seconds=delays[number]),
            reason=why if number < reach else f"{why}: nobody above this level",
        )
        for number, level in enumerate(levels, start=1)
        if number <= reach
    ]
    return sorted(due, key=lambda each: (each.at, each.level))


def page_at_once(
    ending: Ending, severity: Severity, tier: Tier, levels: int, found: Situation | None = None
) -> list[int]:
    """The levels to page the moment an incident ends badly, whatever their delay.

    Refused: the first level has to decide. Not recovered: the second too («page a senior engineer immediately»).
    Undo failed, or data corrupt: everybody.
    """
    wanted = {Ending.REFUSED: 1, Ending.NOT_RECOVERED: 2, Ending.UNDO_FAILED: EVERYBODY}.get(ending, 0)
    if wanted:
        wanted = max(wanted, _AT_ONCE.get(situation(tier, None, found), 0))
    return list(range(1, min(wanted, _reach(severity, tier, found), levels) + 1))


def _reach(severity: Severity, tier: Tier, found: Situation | None) -> int:
    """How many levels may be woken."""
    least = _AT_LEAST.get(found, 0) if found else 0
    return max(_REACH[severity][tier], least)


def after_incident(
    ending: Ending | None,
    *,
    rehearsal: bool = False,
    broke_glass: bool = False,
    found: Situation | None = None,
) -> list[str]:
    """What is left to do by people after an incident, in the order it should be done.

    `found` is what detection says: a rollback that had failed before is looked into, however well this one ended.
    """
    if rehearsal or ending in (Ending.REHEARSED, Ending.NOTHING_TO_DO, Ending.ALREADY_HANDLED):
        return ["Nothing: nothing was changed."]
    first = {
        Ending.RECOVERED: ["Read this report and complete what it cannot know: who was affected, and how."],
        Ending.REFUSED: [
            "Decide what to do with the environment: nothing was changed, and it may still be broken."
        ],
        Ending.NOT_RECOVERED: [
            "Bring the environment back by hand: see the plans, their failed steps and the state before.",
            "Consider taking the service offline if data may be damaged; restore to a point in time if it was.",
        ],
        Ending.UNDO_FAILED: [
            "Bring the environment to one state by hand: it is in neither the old one nor the new one.",
            "Consider taking the service offline if data may be damaged; restore to a point in time if it was.",
        ],
    }.get(ending or Ending.NOT_RECOVERED, [])
    before = found in (Situation.NOT_ROLLED_BACK, Situation.DATA_CORRUPT)
    failed = before or ending in (Ending.NOT_RECOVERED, Ending.UNDO_FAILED)
    return [
        *first,
        *(["Review the acting past the guard (break-glass) with whoever owns it."] if broke_glass else []),
        "Find the root cause (five whys, below).",
        "Fix it in a new change, and prove it in preprod before it goes to production again.",
        *(["Find out why the automatic recovery failed, and rehearse it again."] if failed else []),
        "Add what was new about this failure to the runbook.",
        "File an issue against its happening again.",
        "Test that the recovery works: `backstop drill start`, where the environment allows it.",
        "Close the gaps in monitoring that it showed.",
        "Share what was learned with the team.",
    ]
