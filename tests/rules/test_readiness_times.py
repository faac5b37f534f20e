"""Readiness over time: what was seen holds until the next look, and nobody's guess fills a hole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules.readiness import State
from rules.readiness_times import ReadyTime, Span, goes_on, ready_times

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = 3600.0
PAIR = ("prod", "canary-failure")


def at(hours: float) -> datetime:
    """A time of that day."""
    return MIDNIGHT + timedelta(hours=hours)


def span(state: State, since: float, looked_at: float) -> Span:
    """One scenario in one state from one look to another, in hours of that day."""
    return Span(environment=PAIR[0], scenario=PAIR[1], state=state, since=at(since), looked_at=at(looked_at))


def day(*spans: Span) -> ReadyTime:
    """How it stood on that day."""
    [told] = ready_times(spans, {PAIR: min(each.since for each in spans)}, MIDNIGHT, at(24))
    return told


def test_a_state_holds_until_the_next_look() -> None:
    """Ready until six, not ready until eight, ready again to the end: the two hours are told, to the second."""
    told = day(span(State.READY, -0.5, 5.5), span(State.NOT_READY, 6, 7.5), span(State.READY, 8, 23.5))

    assert (told.ready, told.not_ready, told.unknown) == (22 * HOUR, 2 * HOUR, 0.0)
    assert told.share == 22 / 24


def test_a_hole_between_looks_is_unknown() -> None:
    """Nobody looked from ten to twenty: an hour holds what was seen last, the rest is not called ready."""
    told = day(span(State.READY, 0, 10), span(State.READY, 20, 23.5))

    assert (told.ready, told.unknown) == (15 * HOUR, 9 * HOUR)


def test_what_came_later_is_counted_from_its_first_look() -> None:
    """A scenario that is looked at since noon was ready all the time, not half of it."""
    assert day(span(State.READY, 12, 23.5)).share == 1.0


def test_who_looked_before_and_not_since_counts_as_unknown() -> None:
    """The first look was yesterday: the night without one is unknown, though nothing of it lies in the day."""
    [told] = ready_times([span(State.READY, 6, 23.5)], {PAIR: at(-12)}, MIDNIGHT, at(24))

    assert (told.ready, told.unknown) == (18 * HOUR, 6 * HOUR)


looks = st.lists(
    st.tuples(st.floats(-5, 30), st.sampled_from(State)),
    min_size=1,
    max_size=30,
    unique_by=lambda look: look[0],
)


@given(looks)
def test_the_parts_make_the_whole(seen: list[tuple[float, State]]) -> None:
    """Whatever was seen and when: no part is negative and together they are the time since the first look."""
    spans: list[Span] = []
    for hour, state in sorted(seen):
        if spans and goes_on(spans[-1], state, at(hour)):
            spans[-1] = spans[-1].model_copy(update={"looked_at": at(hour)})
        else:
            spans.append(span(state, hour, hour))
    first = spans[0].since
    for told in ready_times(spans, {PAIR: first}, MIDNIGHT, at(24)):
        parts = (told.ready, told.not_ready, told.unknown)
        whole = max(0.0, (at(24) - max(first, MIDNIGHT)).total_seconds())
        assert min(parts) >= 0.0
        assert abs(sum(parts) - whole) < 0.01
