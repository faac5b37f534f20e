"""Restoring a table to a point in time: whether the moment can be had, and what the restored copy says.

Runbook source: 001, scenario 6, «Restore from backup: use DynamoDB point-in-time recovery».
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime

from rules.errors import NoWayBack
from rules.outcomes import Check, Verdict
from rules.values import Frozen

Item = Mapping[str, object]


class RecoveryWindow(Frozen):
    """Which moments a table can be restored to; none while `enabled` is false."""

    enabled: bool
    earliest: AwareDatetime | None = None
    latest: AwareDatetime | None = None


class Comparison(Frozen):
    """How many items of a restored copy are the same in the table, differ there, or are missing there."""

    same: int = 0
    changed: int = 0
    missing: int = 0

    @property
    def wrong(self) -> int:
        """Items that are not as they were."""
        return self.changed + self.missing


def moment_before(damaged_since: datetime) -> datetime:
    """The last whole second before the damage began, UTC: DynamoDB restores to seconds."""
    at = damaged_since.astimezone(UTC)
    whole = at.replace(microsecond=0)
    return whole if whole < at else whole - timedelta(seconds=1)


def refuse_outside(table: str, at: datetime, window: RecoveryWindow) -> None:
    """Refuse a moment that the table cannot be restored to. Stand-ins would restore to whatever they have.

    Raises:
        NoWayBack: recovery is off, or the moment is outside its window.
    """
    if not window.enabled or not window.earliest or not window.latest:
        raise NoWayBack(
            f"{table} cannot be restored to {at:%Y-%m-%d %H:%M:%S}: point-in-time recovery is off.",
            hint="Look for an on-demand backup by hand, and switch point-in-time recovery on.",
        )
    if not window.earliest <= at <= window.latest:
        raise NoWayBack(
            f"{table} cannot be restored to {at:%Y-%m-%d %H:%M:%S} UTC: it can to moments from "
            f"{window.earliest:%Y-%m-%d %H:%M:%S} to {window.latest:%Y-%m-%d %H:%M:%S}.",
            hint="AWS keeps up to 35 days, and the last five minutes are not there yet: wait, or look for a backup.",
        )


def copy_name(table: str, at: datetime) -> str:
    """What the restored copy of a table is called: the same for the same moment."""
    return f"{table[:230]}-restored-{at:%Y%m%dT%H%M%S}"


def compare_items(then: Sequence[Item], now: Mapping[str, Item], key: tuple[str, ...]) -> Comparison:
    """Compare some items of the copy with what is under their keys in the table (`now`, by `identity`)."""
    found = [now.get(identity(item, key)) for item in then]
    same = sum(plain(a) == plain(b) for a, b in zip(then, found, strict=True) if b is not None)
    missing = sum(item is None for item in found)
    return Comparison(same=same, changed=len(then) - same - missing, missing=missing)


def identity(item: Item, key: tuple[str, ...]) -> str:
    """An item's key as one text."""
    return repr([item[name] for name in key])


def plain(value: object) -> object:
    """A value of DynamoDB in which the order of a set's members does not count."""
    if isinstance(value, Mapping):
        return {
            name: sorted(inner, key=repr)
            if name in ("SS", "NS", "BS") and isinstance(inner, list)
            else plain(inner)
            for name, inner in value.items()
        }
    return [plain(each) for each in value] if isinstance(value, list) else value


def judge_restored(table: str, found: Comparison, at: datetime) -> Check:
    """Whether every item of that moment is in the table as it was; items that came since do not matter."""
    total = found.same + found.wrong
    told = f"{found.same} of {total} items are as they were at {at:%Y-%m-%d %H:%M:%S} UTC"
    verdict = Verdict.FAIL if found.wrong else Verdict.PASS
    return Check(name=f"data {table}", verdict=verdict, reason=told, wanted=str(total), seen=str(found.same))


def judge_damaged(table: str, since: datetime, put_back_by: str = "") -> Check:
    """The word of whoever says that a table's data is damaged, unless an incident has put it back for the same word.

    To do it twice would take away what was written since.
    """
    said = f"is said to be damaged since {since:%Y-%m-%d %H:%M:%S} UTC"
    if put_back_by:
        told = f"{said}, and {put_back_by} put it back as it was just before; if it is damaged again, say since when"
        return Check(name=f"data {table}", verdict=Verdict.PASS, reason=told)
    return Check(name=f"data {table}", verdict=Verdict.FAIL, reason=said)
