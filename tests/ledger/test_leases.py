"""The right to change an environment: one holder, a number that only grows, and no second thoughts."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import leases
from ledger.database import Ledger
from ledger.holders import Holder, this_process
from rules.errors import LeaseHeld, LeaseLost
from tests.ledger.samples import MINUTE, NOON, dead, elsewhere


def take(ledger: Ledger, incident: str, holder: Holder | None = None, *, at: timedelta = timedelta()) -> int:
    """Acquire the lease of `prod` for a minute."""
    with ledger.session() as session:
        return leases.acquire(session, "prod", incident, holder or this_process(), NOON + at, 60)


def test_a_free_lease_is_taken_with_the_next_number(ledger: Ledger) -> None:
    """The first holder gets 1; after it gave the lease back the next one gets 2."""
    assert take(ledger, "first") == 1
    with ledger.session() as session:
        leases.release(session, "prod", 1)

    assert take(ledger, "second") == 2


def test_a_held_lease_says_who_and_until_when(ledger: Ledger) -> None:
    """A living holder keeps everybody else out; the refusal names its process and the time."""
    take(ledger, "first")

    with pytest.raises(LeaseHeld) as held:
        take(ledger, "second")

    assert f"pid {this_process().pid}" in held.value.message
    assert "12:01:00 UTC" in held.value.message
    assert "first" in held.value.message


def test_environments_have_leases_of_their_own(ledger: Ledger) -> None:
    """Who holds one environment does not hold another."""
    take(ledger, "first")
    with ledger.session() as session:
        assert leases.acquire(session, "preprod", "second", this_process(), NOON, 60) == 1


@pytest.mark.parametrize(
    ("holder", "minutes", "free"),
    [
        ("alive", 0.9, False),
        ("alive", 1.1, True),
        ("dead", 0.0, True),
        ("elsewhere", 0.9, False),
        ("elsewhere", 1.1, True),
        ("rebooted", 0.0, True),
        ("other namespace", 0.9, False),
        ("other namespace", 1.1, True),
    ],
)
def test_when_a_lease_may_be_taken(ledger: Ledger, holder: str, minutes: float, free: bool) -> None:
    """A lease is free when it ran out, or at once when its holder is proven dead; never on a guess."""
    this = this_process()
    holders = {
        "alive": this,
        "dead": dead(),
        "elsewhere": elsewhere(),
        "rebooted": this.model_copy(update={"boot": "an-earlier-boot"}),
        "other namespace": this.model_copy(update={"namespace": "pid:[1]", "pid": 1}),
    }
    take(ledger, "first", holders[holder])

    if free:
        assert take(ledger, "second", at=minutes * MINUTE) == 2
    else:
        with pytest.raises(LeaseHeld):
            take(ledger, "second", at=minutes * MINUTE)


def test_renewing_extends(ledger: Ledger) -> None:
    """A renewed lease keeps others out for its full time again."""
    take(ledger, "first")
    with ledger.session() as session:
        leases.check_and_renew(session, "prod", 1, NOON + 0.9 * MINUTE, 60)

    with pytest.raises(LeaseHeld):
        take(ledger, "second", at=1.8 * MINUTE)


def test_a_lease_that_ran_out_but_nobody_took_is_still_ours(ledger: Ledger) -> None:
    """Being slow costs nothing as long as nobody took over."""
    take(ledger, "first")
    with ledger.session() as session:
        leases.check_and_renew(session, "prod", 1, NOON + 10 * MINUTE, 60)


def test_after_a_take_over_the_old_holder_is_told(ledger: Ledger) -> None:
    """Checking with an old number raises, and changes nothing of the new holder's lease."""
    take(ledger, "first")
    take(ledger, "second", at=2 * MINUTE)

    with pytest.raises(LeaseLost, match="is at 2 now"), ledger.session() as session:
        leases.check_and_renew(session, "prod", 1, NOON + 2 * MINUTE, 600)

    with ledger.session() as session:
        row = leases.locked_row(session, "prod")
        assert (row.incident_id, row.expires_at) == ("second", NOON + 3 * MINUTE)


def test_giving_back_what_is_no_longer_ours_does_nothing(ledger: Ledger) -> None:
    """An old holder that ends does not end the new one's lease."""
    take(ledger, "first")
    take(ledger, "second", at=2 * MINUTE)
    with ledger.session() as session:
        leases.release(session, "prod", 1)

    with pytest.raises(LeaseHeld, match="second"):
        take(ledger, "third", at=2 * MINUTE)


def test_a_lease_given_back_is_not_ours(ledger: Ledger) -> None:
    """After giving it back, a check with the same number fails: the case is closed."""
    take(ledger, "first")
    with ledger.session() as session:
        leases.release(session, "prod", 1)

    with pytest.raises(LeaseLost), ledger.session() as session:
        leases.check_and_renew(session, "prod", 1, NOON, 60)


def test_no_history_of_takings_gives_two_holders(ledger: Ledger) -> None:
    """Whatever is taken, renewed, given back or slept through: the number only grows, and one holds at most."""
    fresh = count()  # an object's address can be another's again

    class Leases(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.at, self.fences, self.last = timedelta(), list[int](), 0
            self.place = f"place-{next(fresh)}"

        @rule(holder=st.sampled_from([this_process(), dead(), elsewhere()]), wait=st.integers(0, 90))
        def take(self, holder: Holder, wait: int) -> None:
            self.at += timedelta(seconds=wait)
            try:
                with ledger.session() as session:
                    fence = leases.acquire(session, self.place, f"i{self.last}", holder, NOON + self.at, 60)
            except LeaseHeld:
                return
            assert fence > self.last
            self.last = fence
            self.fences.append(fence)

        @precondition(lambda self: self.fences)
        @rule(data=st.data())
        def renew(self, data: st.DataObject) -> None:
            fence = data.draw(st.sampled_from(self.fences))
            try:
                with ledger.session() as session:
                    leases.check_and_renew(session, self.place, fence, NOON + self.at, 60)
            except LeaseLost:
                return
            assert fence == self.last

        @precondition(lambda self: self.fences)
        @rule(data=st.data())
        def give_back(self, data: st.DataObject) -> None:
            with ledger.session() as session:
                leases.release(session, self.place, data.draw(st.sampled_from(self.fences)))

        @invariant()
        def the_number_never_falls(self) -> None:
            with ledger.session() as session:
                assert leases.locked_row(session, self.place).fence == self.last

    run_state_machine_as_test(
        Leases,
        settings=settings(
            max_examples=15, stateful_step_count=12, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )
