"""Each look at readiness is kept as history, in one row as long as nothing changes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger import readiness as memory
from ledger.database import Ledger
from rules.readiness import Standing, State
from tests.ledger.samples import NOON

HALF_AN_HOUR = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("states", "spans"),
    [
        ("rrrr", ["ready 0 3"]),
        ("rrnnr", ["ready 0 1", "not ready 2 3", "ready 4 4"]),
        ("r     r", ["ready 0 0", "ready 6 6"]),
        ("r r", ["ready 0 2"]),
    ],
)
def test_a_look_makes_the_span_longer_or_begins_another(
    ledger: Ledger, states: str, spans: list[str]
) -> None:
    """The same state at the next look is the same span; another one, or a hole of more than an hour, begins anew."""
    names = {"r": State.READY, "n": State.NOT_READY}
    for number, letter in enumerate(states):
        if letter == " ":
            continue
        standing = Standing(environment="prod", scenario="canary-failure", state=names[letter])
        with ledger.session() as session:
            memory.keep(session, [standing], NOON + number * HALF_AN_HOUR)

    with ledger.reading() as session:
        kept = memory.spans_between(session, NOON - timedelta(days=1), NOON + timedelta(days=1))
        first = memory.first_looks(session)
    told = [
        f"{each.state.value} {(each.since - NOON) // HALF_AN_HOUR} {(each.looked_at - NOON) // HALF_AN_HOUR}"
        for each in sorted(kept, key=lambda each: each.since)
    ]
    assert told == spans
    assert first == {("prod", "canary-failure"): NOON}


def test_a_look_that_comes_too_late_changes_nothing(ledger: Ledger) -> None:
    """Of two looks at once the later one stays: the history never runs backwards."""
    for minutes, state in ((10, State.NOT_READY), (5, State.READY)):
        standing = Standing(environment="prod", scenario="canary-failure", state=state)
        with ledger.session() as session:
            memory.keep(session, [standing], NOON + timedelta(minutes=minutes))

    with ledger.reading() as session:
        [kept] = memory.spans_between(session, NOON, NOON + timedelta(days=1))
    assert (kept.state, kept.since) == (State.NOT_READY, NOON + timedelta(minutes=10))
