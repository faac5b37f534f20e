"""Which items of a table a failed test run wrote, and which are never touched.

Runbook source: 001, scenario 3, «If test data is polluted»: there every item of the table is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from rules.errors import RecoveryRefused
from rules.names import AttributeName, TableName
from rules.severity import Destructiveness, Tier
from rules.values import Frozen

Item = Mapping[str, Mapping[str, object]]
"""An item as DynamoDB tells it: typed values by attribute name."""

RunId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{3,64}$")]
RUN = "{run}"
LATE = timedelta(minutes=15)
"""What a run set going may write for so long after its end; only where an item names its run."""

_SHORTEST = 3
_MILLISECONDS_FROM = 1e11
"""Seconds since 1970 reach this in the year 5138: a larger number counts milliseconds."""


class RunMarks(Frozen):
    """How a test run marks the items it writes to a table: by their key or by an attribute, and with the time."""

    key_prefix: str = Field(
        default="",
        max_length=200,
        title="Prefix of the partition key",
        description="Of every item a test writes. {run} stands for the run's id: test-{run}- or test-.",
    )
    run_attribute: AttributeName | None = Field(
        default=None, title="Attribute with the run's id", description="Instead of a prefix."
    )
    written_attribute: AttributeName = Field(
        title="Attribute with the time of writing",
        description="ISO 8601, or seconds or milliseconds since 1970. An item without it is never touched.",
    )

    @model_validator(mode="after")
    def _tell_apart(self) -> Self:
        if bool(self.key_prefix) == bool(self.run_attribute):
            raise ValueError(
                "a table's test items are marked by `key_prefix` or by `run_attribute`: name one"
            )
        fixed, own, rest = self.key_prefix.partition(RUN)
        if "{" in fixed + rest or "}" in fixed + rest:
            raise ValueError("the key prefix knows {run} only, once")
        if own and (not rest or rest[0].isalnum()):
            raise ValueError("after {run} the key prefix needs a separator: run 12 is not run 123")
        if self.key_prefix and not own and sum(map(str.isalnum, fixed)) < _SHORTEST:
            raise ValueError(f"a key prefix without {{run}} needs {_SHORTEST} letters or digits at least")
        return self


class RunWindow(Frozen):
    """A test run and when it ran."""

    run: RunId
    began: AwareDatetime
    ended: AwareDatetime

    def overlaps(self, other: RunWindow) -> bool:
        """Whether both ran at some moment."""
        return self.began <= other.ended and other.began <= self.ended


class Selector(Frozen):
    """Chooses what one run wrote to one table, and nothing else. Made by `selector_for`."""

    table: TableName
    hash_key: AttributeName
    written_attribute: AttributeName
    prefix: str = ""
    run_attribute: AttributeName | None = None
    key_names_run: bool = False
    """Whether the key itself says whose an item is: then nobody else ever writes under it."""
    run: RunId
    since: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def _chooses_something(self) -> Self:
        if not self.run_attribute and len(self.prefix) < _SHORTEST:
            raise ValueError("a selector without a mark would choose everything")
        if self.since >= self.until:
            raise ValueError("a selector's time must end after it begins")
        return self

    @property
    def marks(self) -> set[str]:
        """The attributes that tell whose an item is, and when it was written."""
        return {self.run_attribute or self.hash_key, self.written_attribute}

    def chooses(self, item: Item) -> bool:
        """Whether the run wrote this item. When in doubt, it did not."""
        if self.run_attribute:
            marked = _text(item, self.run_attribute) == self.run
        else:
            marked = _text(item, self.hash_key).startswith(self.prefix)
        at = written_at(item, self.written_attribute) if marked else None
        return at is not None and self.since <= at <= self.until

    def same_writing(self, kept: Item, now: Item) -> bool:
        """Whether an item is still the one that was kept: nobody has written another under its key since."""
        return all(kept.get(name) == now.get(name) for name in self.marks)


def selector_for(
    marks: RunMarks | None,
    window: RunWindow,
    *,
    table: str,
    hash_key: str,
    tier: Tier,
    others: Sequence[RunWindow] = (),
) -> Selector:
    """The selector for what a run wrote; `others` are runs of the same tests near it in time.

    Raises:
        RecoveryRefused: production, no marks, or marks that could also choose another run's items.
    """
    refuse_production(tier)
    if marks is None:
        raise RecoveryRefused(
            f"Nobody has said how test runs mark their items in {table}.",
            hint="Give the table `test_marks` in the environment's file. Without them nothing is told apart.",
        )
    own = bool(marks.run_attribute) or RUN in marks.key_prefix
    meanwhile = [other.run for other in others if other.run != window.run and other.overlaps(window)]
    if not own and meanwhile:
        raise RecoveryRefused(
            f"The items of run {window.run} in {table} cannot be told from those of {', '.join(meanwhile)}: "
            f"all begin with {marks.key_prefix}, and they ran at the same time.",
            hint="Let the tests put their run's id into the key or an attribute.",
        )
    return Selector(
        table=table,
        hash_key=hash_key,
        written_attribute=marks.written_attribute,
        prefix=marks.key_prefix.replace(RUN, window.run),
        run_attribute=marks.run_attribute,
        key_names_run=RUN in marks.key_prefix,
        run=window.run,
        since=window.began,
        until=max(window.ended, window.began + timedelta(seconds=1)) + (LATE if own else timedelta()),
    )


def refuse_production(tier: Tier) -> None:
    """Raise RecoveryRefused where test data cannot be: in production nothing is test data."""
    if tier is Tier.PRODUCTION:
        raise RecoveryRefused(
            "Test data is never cleaned up in production.",
            hint="Whatever looks like test data there may be a customer's. Restore to a point in time instead.",
        )


def cost_of_deleting(polluted: int, scanned: int) -> Destructiveness:
    """What deleting so many of so many may cost: a copy is kept, but of more than half a person is asked."""
    return Destructiveness.DISRUPTIVE if polluted * 2 > scanned else Destructiveness.REVERSIBLE


def written_at(item: Item, attribute: str) -> datetime | None:
    """When an item says it was written; None when it does not, or not as a moment."""
    value = item.get(attribute, {})
    number, text = value.get("N"), value.get("S")
    try:
        if isinstance(number, str):
            seconds = float(number)
            return datetime.fromtimestamp(seconds / (1000 if seconds >= _MILLISECONDS_FROM else 1), UTC)
        if isinstance(text, str) and ("T" in text or " " in text):
            at = datetime.fromisoformat(text)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _text(item: Item, attribute: str) -> str:
    """A text or number as text; nothing else can be a mark."""
    value = item.get(attribute, {})
    found = value.get("S", value.get("N", ""))
    return found if isinstance(found, str) else ""
