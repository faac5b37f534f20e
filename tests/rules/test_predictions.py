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

SHAPES: dict[str, Callable[[random.Random], float]] = {
    "steady": lambda chance: chance.uniform(20, 24),
    "log-normal": lambda chance: chance.lognormvariate(3, 0.6),
    "long tail": lambda chance: 10 * chance.paretovariate(1.2),
    "two ways": lambda chance: chance.gauss(20, 1) if chance.random() < 0.8 else chance.gauss(90, 5),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [ENOUGH, 14, 20, 38, NEWEST])
def test_the_bound_covers_as_many_further_runs_as_it_says(shape: str, count: int) -> None:
    """Of simulated further runs as many stay within the bound as the prediction itself says."""
    chance = random.Random(f"{shape} {count}")
    within, covers = 0, rank_of(count) / (count + 1)
    for _ in range(ROUNDS):
        times = [SHAPES[shape](chance) for _ in range(count)]
        found = predict(times, (), PROMISE)
        assert found.covers == pytest.approx(covers, abs=0.001)
        within += SHAPES[shape](chance) <= found.limit

    error = math.sqrt(covers * (1 - covers) / ROUNDS)
    assert within / ROUNDS == pytest.approx(covers, abs=4 * error)


@given(st.integers(ENOUGH, 10_000))
def test_from_the_fewest_runs_on_the_rank_covers_enough_and_not_everything(count: int) -> None:
    """At every size the chosen rank covers from 90 to 98 % of further runs: it is an order statistic's coverage."""
    assert 0.90 <= rank_of(count) / (count + 1) <= 0.98


@given(st.lists(st.floats(0, 1e5), max_size=ENOUGH - 1))
def test_too_few_runs_say_nothing(times: list[float]) -> None:
    """With fewer runs than nine nothing is claimed, and what counts is the runbook's promise."""
    found = predict(times, times, PROMISE)

    assert (found.middle, found.bound, found.limit, found.runs) == (None, None, PROMISE, len(times))


@given(st.lists(st.floats(0, 1e5), min_size=ENOUGH, max_size=150))
def test_a_prediction_lies_among_what_was_measured(times: list[float]) -> None:
    """Median and bound are in order and no larger than the slowest of the newest runs."""
    found = predict(times, (), PROMISE)

    assert found.middle is not None
    assert found.bound is not None
    newest = times[:NEWEST]
    assert min(newest) - 0.001 <= found.middle <= found.bound + 0.001 <= max(newest) + 0.002
    assert found.runs == len(newest)


def test_other_environments_count_only_where_too_few_ran_here() -> None:
    """Nine runs here are enough by themselves; with eight, the runs of all environments are taken, and it says so."""
    here, everywhere = [20.0] * ENOUGH, [90.0] * 40

    enough, few = predict(here, everywhere, PROMISE), predict(here[1:], everywhere, PROMISE)

    assert (enough.middle, enough.everywhere) == (20.0, False)
    assert (few.middle, few.everywhere) == (90.0, True)
