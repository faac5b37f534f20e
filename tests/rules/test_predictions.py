"""A prediction keeps what it says, of few runs as of many, however their times are distributed; or it says nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.predictions import ENOUGH, NEWEST, predict, rank_of

PROMISE = 300.0
ROUNDS = 1200
FEW = 18
"""Of so many runs even the slowest covers fewer than 95 of 100 further ones."""

SHAPES: dict[str, Callable[[random.Random], float]] = {
    "steady": lambda chance: chance.uniform(20, 24),
    "log-normal": lambda chance: chance.lognormvariate(3, 0.6),
    "long tail": lambda chance: 10 * chance.paretovariate(1.2),
    "two ways": lambda chance: chance.gauss(20, 1) if chance.random() < 0.5 else chance.gauss(90, 5),
    "rarely another way": lambda chance: (
        chance.gauss(20, 1) if chance.random() < 0.8 else chance.gauss(90, 5)
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [ENOUGH, 14, 20, 38, NEWEST])
def test_the_bound_covers_as_many_further_runs_as_it_says(shape: str, count: int) -> None:
    """Of simulated further runs from 90 to 98 % stay within; from nineteen runs on, just as many as it says."""
    chance = random.Random(f"{shape} {count}")
    within, covers = 0, max(0.95, rank_of(count) / (count + 1))
    for _ in range(ROUNDS):
        times = [SHAPES[shape](chance) for _ in range(count)]
        found = predict(times, (), PROMISE)
        assert found.covers == pytest.approx(covers, abs=0.001)
        within += SHAPES[shape](chance) <= found.limit

    assert 0.90 <= within / ROUNDS <= 0.98
    if count > FEW:
        error = math.sqrt(covers * (1 - covers) / ROUNDS)
        assert within / ROUNDS == pytest.approx(covers, abs=4 * error)


@given(st.integers(FEW + 1, 10_000))
def test_from_nineteen_runs_on_the_rank_covers_enough_and_not_everything(count: int) -> None:
    """At every such size the rank covers from 95 to 98 % of further runs: it is an order statistic's coverage."""
    assert 0.95 <= rank_of(count) / (count + 1) <= 0.98


def test_of_few_runs_the_slowest_two_say_how_much_slower_another_may_be() -> None:
    """Nine: beyond the slowest by its distance to the second; fourteen: by a third of it; nineteen: the slowest."""
    steady = [20.0] * 17
    assert predict([*steady[:7], 22.0, 25.0], (), PROMISE).bound == 28.0
    assert predict([*steady[:12], 22.0, 25.0], (), PROMISE).bound == 26.0
    assert predict([*steady, 22.0, 25.0], (), PROMISE).bound == 25.0


@given(st.lists(st.floats(0, 1e5), max_size=ENOUGH - 1))
def test_too_few_runs_say_nothing(times: list[float]) -> None:
    """With fewer runs than nine nothing is claimed, and what counts is the runbook's promise."""
    found = predict(times, times, PROMISE)

    assert (found.middle, found.bound, found.limit, found.runs) == (None, None, PROMISE, len(times))


@given(st.lists(st.floats(0, 1e5), min_size=ENOUGH, max_size=150))
def test_a_prediction_lies_near_what_was_measured(times: list[float]) -> None:
    """Median and bound are in order; no bound lies beyond the slowest by more than its distance to the second."""
    found = predict(times, (), PROMISE)

    assert found.middle is not None
    assert found.bound is not None
    newest = sorted(times[:NEWEST])
    assert newest[0] - 0.001 <= found.middle <= found.bound + 0.001
    assert found.bound <= newest[-1] + (newest[-1] - newest[-2]) + 0.002
    assert found.runs == len(newest)


def test_other_environments_count_only_where_too_few_ran_here() -> None:
    """Nine runs here are enough by themselves; with eight, the runs of all environments are taken, and it says so."""
    here, everywhere = [20.0] * ENOUGH, [90.0] * 40

    enough, few = predict(here, everywhere, PROMISE), predict(here[1:], everywhere, PROMISE)

    assert (enough.middle, enough.everywhere) == (20.0, False)
    assert (few.middle, few.everywhere) == (90.0, True)
