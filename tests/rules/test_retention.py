"""Which backups go, over tables and ten thousand random histories with clock jumps and deaths in the middle."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.retention import Fate, Kept, Proof, decide
from rules.severity import Tier

START = datetime(2026, 1, 1, tzinfo=UTC)
HISTORIES = 10_000


def backup(name: str, hours: float, proof: Proof = Proof.PROVEN, **more: bool) -> Kept:
    """A backup that was taken so many hours after the start."""
    return Kept(id=name, taken_at=START + timedelta(hours=hours), proof=proof, **more)


def fates(backups: list[Kept], tier: Tier = Tier.STAGING, **needed: str) -> dict[str, Fate]:
    """What becomes of each."""
    return {each.id: each.fate for each in decide(backups, tier, needed=needed)}


def every_six_hours(days: int, name: str = "b") -> list[Kept]:
    """Good backups, the oldest first; each is called after its hour."""
    return [backup(f"{name}{hour}", hour) for hour in range(0, 24 * days + 1, 6)]


@pytest.mark.parametrize(("tier", "days"), [(Tier.PRODUCTION, 7), (Tier.STAGING, 3), (Tier.DEVELOPMENT, 1)])
def test_each_tier_keeps_as_long_as_the_runbook_says(tier: Tier, days: int) -> None:
    """Production 7 days, staging 3, development 1, counted back from the newest good backup."""
    backups = every_six_hours(10)

    kept = [name for name, fate in fates(backups, tier).items() if fate is Fate.KEEP]

    assert kept == [
        each.id for each in reversed(backups) if each.taken_at >= START + timedelta(days=10 - days)
    ]


def test_a_critical_one_is_kept_for_thirty_days() -> None:
    """Whoever marked it gets a month, then it goes like any other."""
    backups = [replace(each, critical=each.id in ("b0", "b240")) for each in every_six_hours(35)]

    told = fates(backups, Tier.PRODUCTION)

    assert (told["b240"], told["b246"], told["b0"]) == (Fate.KEEP, Fate.TRASH, Fate.TRASH)


def test_what_is_newest_proven_newest_good_or_needed_never_goes() -> None:
    """However old the last proven one is: it is what a recovery would return to."""
    backups = [replace(each, proof=Proof.UNTESTED) for each in every_six_hours(10)]
    backups[0] = replace(backups[0], proof=Proof.PROVEN)

    told = fates(backups, b6="the incident inc-1")

    assert (told["b0"], told["b240"], told["b6"], told["b12"]) == (
        Fate.KEEP,
        Fate.KEEP,
        Fate.KEEP,
        Fate.TRASH,
    )


def test_nothing_goes_while_none_is_proven() -> None:
    """An untested backup may be worthless: a hundred of them are no reason to delete one."""
    untested = [replace(each, proof=Proof.UNTESTED) for each in every_six_hours(10)]

    assert set(fates(untested).values()) == {Fate.KEEP}


def test_one_that_failed_its_test_is_no_measure() -> None:
    """Ages count back from the newest good one: failing backups do not push good ones out."""
    failing = [backup(f"f{day}", 240 + 24 * day, Proof.FAILED) for day in range(1, 20)]

    told = fates([*every_six_hours(10), *failing])

    assert told["b240"] is told["b168"] is Fate.KEEP
    assert told["b162"] is Fate.TRASH


def test_the_clock_alone_makes_nothing_old() -> None:
    """A jump of a year costs a quarter of the retention at most, whichever way it went."""
    ahead = [*every_six_hours(3), backup("jumped", 24 * 365)]
    back = [*every_six_hours(3), backup("jumped", -24 * 365)]

    assert [name for name, fate in fates(ahead).items() if fate is Fate.TRASH] == ["b12", "b6", "b0"]
    assert set(fates(back).values()) == {Fate.KEEP, Fate.TRASH}
    assert [name for name, fate in fates(back).items() if fate is Fate.TRASH] == ["jumped"]


def test_the_trash_is_emptied_a_day_later_and_given_back_when_needed() -> None:
    """Two looks apart: first put away, then deleted; what is needed meanwhile comes back."""
    backups = [
        replace(each, in_trash=each.id in ("b0", "b6", "b144", "b150", "b240"))
        for each in every_six_hours(10)
    ]

    told = fates(backups, b6="a restore that reads it")

    assert told["b0"] is Fate.DELETE
    assert told["b6"] is told["b240"] is Fate.TAKE_BACK
    assert told["b150"] is told["b144"] is Fate.LEAVE
    assert told["b12"] is Fate.TRASH


def test_each_decision_says_why() -> None:
    """The reason names the age and what it is measured by, or who needs it."""
    told = {
        each.id: each.reason for each in decide(every_six_hours(10), Tier.STAGING, needed={"b0": "inc-1"})
    }

    assert told["b240"] == "the newest proven one"
    assert told["b0"] == "inc-1"
    assert told["b168"] == "3.0 days of 3.0 days"
    assert told["b162"] == "3.2 days old, kept for 3.0 days"


@dataclass
class Store:
    """A model of a store: what is there, what is in its trash, and what really happened in which order."""

    tier: Tier
    there: dict[str, Kept] = field(default_factory=dict)
    clock: datetime = START
    needed: dict[str, str] = field(default_factory=dict)

    def back_up(self, minutes: int, *, critical: bool) -> None:
        """Take a backup after some time, or after a jump of the clock."""
        self.clock += timedelta(minutes=minutes)
        name = f"{len(self.there):03}-{self.clock:%Y%m%d%H%M}"
        self.there[name] = Kept(id=name, taken_at=self.clock, critical=critical)

    def test_a_restore(self, which: int, proof: Proof) -> None:
        """Test one that is not in the trash."""
        listed = [each for each in self.there.values() if not each.in_trash]
        if listed:
            chosen = listed[-1 - which % len(listed)]
            self.there[chosen.id] = replace(chosen, proof=proof)

    def need(self, which: int) -> None:
        """Let an incident need one, instead of the one before."""
        listed = list(self.there)
        self.needed = {listed[which % len(listed)]: "an incident"} if listed else {}

    def retain(self, die_after: int) -> None:
        """Carry decisions out, up to a death; hold every promise on the way."""
        before = dict(self.there)
        good = [each for each in before.values() if each.proof is not Proof.FAILED]
        newest = max(good, key=lambda each: (each.taken_at, each.id), default=None)
        proven = [each for each in good if each.proof is Proof.PROVEN]
        last_proven = max(proven, key=lambda each: (each.taken_at, each.id), default=None)
        sacred = {each.id for each in (newest, last_proven) if each} | set(self.needed)
        for done, decision in enumerate(decide(before.values(), self.tier, needed=self.needed)):
            if done >= die_after:
                return
            now = before[decision.id]
            if decision.fate is Fate.DELETE:
                assert now.in_trash, "deleted without having been put away before"
                assert decision.id not in sacred
                assert proven or now.proof is Proof.FAILED
                del self.there[decision.id]
            else:
                put_away = decision.fate in (Fate.TRASH, Fate.LEAVE)
                assert not (put_away and decision.id in sacred)
                self.there[decision.id] = replace(now, in_trash=put_away)
        settled = decide(self.there.values(), self.tier, needed=self.needed)
        assert {each.fate for each in settled} <= {Fate.KEEP, Fate.LEAVE, Fate.DELETE}


STEP = st.tuples(st.sampled_from("bbbtfnrr"), st.integers(-2_000, 20_000), st.integers(0, 20))


@settings(max_examples=HISTORIES, deadline=None, database=None)
@given(st.sampled_from(list(Tier)), st.lists(STEP, min_size=3, max_size=14))
def test_no_history_loses_what_is_needed(tier: Tier, steps: list[tuple[str, int, int]]) -> None:
    """Backups, tests, incidents, jumps of the clock, and retention that dies half way, in any order."""
    store = Store(tier)
    for what, minutes, number in steps:
        match what:
            case "b":
                store.back_up(minutes, critical=number == 0)
            case "t":
                store.test_a_restore(number, Proof.PROVEN)
            case "f":
                store.test_a_restore(number, Proof.FAILED)
            case "n":
                store.need(number)
            case _:
                store.retain(die_after=number)
