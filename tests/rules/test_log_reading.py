"""Reading throttled logs: waiting, narrowing, and that nothing is left out or read twice."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.log_reading import (
    LONGEST_WAIT,
    LONGEST_WINDOW,
    MOST_REFUSALS,
    MOST_WINDOWS,
    NARROW_AFTER,
    USUAL_RATE,
    LogEvent,
    Pace,
    ReadLogs,
    Window,
    cut,
    each_once,
    judge_newest,
    judge_reading,
    left_of,
    narrowed,
    quota_of,
    share_of,
    wait_seconds,
)
from rules.outcomes import Verdict

READ = ReadLogs(number=1, groups=("/a", "/b"), start=0, end=9, events=7)


@pytest.mark.parametrize(("rounds", "most"), [(0, 1.0), (1, 1.0), (2, 2.0), (4, 8.0), (9, LONGEST_WAIT)])
def test_the_wait_grows_and_is_drawn_from_all_of_it(rounds: int, most: float) -> None:
    """Full jitter: from nothing to twice as long each time, and never longer than the longest."""
    assert wait_seconds(rounds, 0.0) == 0
    assert wait_seconds(rounds, 1.0) == most


@pytest.mark.parametrize(
    ("answered", "refused", "at_once", "rounds"),
    [(4, 0, 4, 0), (3, 1, 2, 0), (0, 4, 2, 3), (0, 1, 2, 3)],
)
def test_a_refusal_halves_what_is_asked_at_once(
    answered: int, refused: int, at_once: int, rounds: int
) -> None:
    """Only a round without any answer makes the waiting longer."""
    pace = Pace(4, refused_rounds=2).after(answered, refused)

    assert (pace.at_once, pace.refused_rounds) == (at_once, rounds)
    assert Pace(1).after(0, 1).at_once == 1
    assert not Pace(1, MOST_REFUSALS - 1).hopeless
    assert Pace(1, MOST_REFUSALS).hopeless


@pytest.mark.parametrize(
    ("quotas", "rate"),
    [
        ({"FilterLogEvents throttle limit in transactions per second": 10.0, "PutLogEvents": 800.0}, 5.0),
        ({"PutLogEvents throttle limit": 800.0}, USUAL_RATE / 2),
        ({}, USUAL_RATE / 2),
    ],
)
def test_half_of_the_quota_is_ours(quotas: dict[str, float], rate: float) -> None:
    """By the quota's name; where none says, the usual one."""
    assert share_of(quota_of(quotas)) == rate


def test_a_window_is_narrowed_when_it_is_refused_again_and_nothing_of_it_was_read() -> None:
    """Once may be bad luck; what was begun goes on by its token; the narrowest stays."""
    window = Window("/a", 0, 299_999)

    assert narrowed(window, NARROW_AFTER, begun=False) == [
        Window("/a", 0, 149_999),
        Window("/a", 150_000, 299_999),
    ]
    assert narrowed(window, NARROW_AFTER - 1, begun=False) == [window]
    assert narrowed(window, 9, begun=True) == [window]
    assert narrowed(Window("/a", 0, 50_000), 9, begun=False) == [Window("/a", 0, 50_000)]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_pieces_of_a_window_are_the_window(start: int, span: int) -> None:
    """Without a gap, without an overlap, and not too many of them."""
    pieces = cut(Window("/a", start, start + span))

    assert (pieces[0].start, pieces[-1].end) == (start, start + span)
    assert all(one.end + 1 == other.start for one, other in pairwise(pieces))
    assert len(pieces) <= MOST_WINDOWS
    assert all(p.end - p.start < max(LONGEST_WINDOW, span // MOST_WINDOWS + 1) for p in pieces)


@given(st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 20), st.sampled_from("ab"))))
def test_what_is_left_is_what_nobody_read(read: list[tuple[int, int, str]]) -> None:
    """Whatever was read before a death, overlapping or beyond: what is left and what was read are all of it."""
    done = [Window(group, start, start + span) for start, span, group in read]

    left = left_of(Window("a", 0, 50), done)

    covered = {moment for w in done if w.group == "a" for moment in range(w.start, w.end + 1)}
    again = [moment for w in left for moment in range(w.start, w.end + 1)]
    assert set(again) == set(range(51)) - covered
    assert len(again) == len(set(again))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from("xyz"))))
def test_each_event_stands_there_once(found: list[tuple[int, str, str]]) -> None:
    """An event is known by its id; two with one text are two."""
    events = sorted(LogEvent(time, group, id_, "same text") for time, group, id_ in found)

    assert [e[:3] for e in each_once(events)] == sorted(set(found))


@pytest.mark.parametrize(
    ("alive", "throttled", "read", "verdict"),
    [
        (False, "Rate exceeded", None, Verdict.FAIL),
        (False, "", None, Verdict.PASS),
        (True, "Rate exceeded", None, Verdict.PASS),
        (False, "Rate exceeded", READ, Verdict.PASS),
        (False, "", READ.model_copy(update={"whole": False}), Verdict.FAIL),
    ],
)
def test_whether_a_run_has_its_logs(
    alive: bool, throttled: str, read: ReadLogs | None, verdict: Verdict
) -> None:
    """It says that it was throttled, and nobody read them since; or they were changed since."""
    assert judge_reading("run-1", alive=alive, throttled=throttled, read=read).verdict is verdict


def test_what_came_late_is_told() -> None:
    """CloudWatch takes events after their time."""
    assert judge_newest("/a", 2, 9).verdict is Verdict.FAIL
    assert judge_newest("/a", 0, 9).verdict is Verdict.PASS
