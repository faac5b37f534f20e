"""Which backup is returned to: proven, sound, the newest of them, and what is lost is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import NoWayBack
from rules.retention import Proof
from rules.stack_restore_points import Candidate, choose, made_after_a_loss, worth_a_test

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
P, U, F = Proof.PROVEN, Proof.UNTESTED, Proof.FAILED


def made(minutes: float, proof: Proof = P, keys: int = 1000) -> Candidate:
    """A backup made so many minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    salt = f"{int(minutes * 10) % 65536:04x}"
    return Candidate(
        backup=f"{at:%Y%m%d-%H%M%S}-scheduled-{salt}",
        taken_at=at,
        proof=proof,
        key_counts={"aws_masker:": keys},
    )


@pytest.mark.parametrize(
    ("there", "chosen", "within"),
    [
        ([made(1), made(6)], 0, True),
        ([made(1, U), made(6)], 1, False),
        ([made(1, F), made(4)], 1, True),
        ([made(1, keys=200), made(6)], 1, False),
        ([made(1, keys=200), made(6, keys=210), made(11)], 2, False),
        ([made(1, keys=950), made(6)], 0, True),
        ([made(1, keys=200), made(600)], 0, True),
    ],
)
def test_the_newest_proven_and_sound_one_is_chosen(there: list[Candidate], chosen: int, within: bool) -> None:
    """Not the newest that is untested, failed, or made when keys were lost; a night between two explains fewer keys."""
    point = choose(there, NOW, 300)

    assert point.backup == there[chosen].backup
    assert point.within_objective is within
    assert ("more than the objective" in point.reasons[-1]) is not within


def test_a_person_may_name_another_but_not_one_that_failed() -> None:
    """An untested or lossy one is taken, and said to be so."""
    there = [made(1, U, keys=100), made(6), made(11, F)]

    point = choose(there, NOW, 300, named=there[0].backup)
    assert point.backup == there[0].backup
    assert any("never tested" in reason for reason in point.reasons)
    assert any("after 1000" in reason for reason in point.reasons)
    for wrong in (there[2].backup, "20260101-000000-manual-0000"):
        with pytest.raises(NoWayBack):
            choose(there, NOW, 300, named=wrong)


def test_without_any_it_is_said_what_to_do() -> None:
    """No backup, or none proven: each with its hint."""
    with pytest.raises(NoWayBack, match="There is no backup"):
        choose([], NOW, 300)
    with pytest.raises(NoWayBack, match="is not tested") as none:
        choose([made(1, U), made(6, F)], NOW, 300)
    assert "--test" in none.value.hint


def test_what_was_tried_is_passed_over() -> None:
    """The next rung takes the one before."""
    there = [made(1), made(6)]
    assert choose(there, NOW, 300, leave_out={there[0].backup}).backup == there[1].backup


def test_where_no_data_is_returned_a_loss_does_not_matter() -> None:
    """A rollback of the configuration takes the newest proven one."""
    there = [made(1, keys=10), made(6)]
    assert choose(there, NOW, 300, with_data=False).backup == there[0].backup


def test_only_what_would_be_chosen_is_tested_first() -> None:
    """Untested and sound ones that are newer than the newest proven one."""
    there = [made(1, U, keys=5), made(2, F), made(3, U), made(4, U), made(5), made(6, U)]
    assert worth_a_test(there) == [there[2].backup, there[3].backup]
    assert worth_a_test(there, named=there[5].backup) == [there[5].backup]


@given(
    st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from(Proof), st.integers(0, 2000)),
        max_size=12,
        unique_by=lambda each: each[0],
    )
)
def test_whatever_there_is_what_is_chosen_is_proven_and_brings_no_loss_back(
    drawn: list[tuple[int, Proof, int]],
) -> None:
    """Over any history: proven, not made after a loss, and none newer is both."""
    there = [made(minutes, proof, keys) for minutes, proof, keys in sorted(drawn)]
    good = [each for each in there if each.proof is P and each.backup not in made_after_a_loss(there)]
    try:
        point = choose(there, NOW, 300)
    except NoWayBack:
        assert good == []
        return
    assert point.backup == good[0].backup
