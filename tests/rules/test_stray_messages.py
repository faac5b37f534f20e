"""Whose a message is, for every mark that it can carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.outcomes import Verdict
from rules.stray_messages import (
    CLOCKS,
    Marks,
    QueueState,
    RunTraces,
    Whose,
    costs_the_last_try,
    judge_queue,
    looks_left,
    refuses_a_look,
    tally,
    whose,
)

BEGAN = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
ENDED = BEGAN + timedelta(minutes=2)
RUN = RunTraces(
    run_id="run-7",
    message_ids=frozenset({"m1", "m2"}),
    correlation_ids=frozenset({"c1", "c2"}),
    began=BEGAN,
    ended=ENDED,
)
GIVEN = RUN.model_copy(update={"message_ids": frozenset(), "run_id": ""})
MINUTE = BEGAN + timedelta(minutes=1)
QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/billing"

names = st.text(alphabet="abcm12-", min_size=1, max_size=6)
moments = st.integers(-7200, 7200).map(lambda seconds: BEGAN + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("marks", "traces", "wanted"),
    [
        (Marks("m1", "run-7", "c1", MINUTE), RUN, Whose.OURS),
        (Marks("m1", "", "", None), RUN, Whose.OURS),
        (Marks("m9", "run-7", "c9", MINUTE), RUN, Whose.OURS),
        (Marks("m9", "run-7", "c1", ENDED + timedelta(minutes=1)), RUN, Whose.UNCLEAR),
        (Marks("m9", "run-7", "c1", None), RUN, Whose.UNCLEAR),
        (Marks("m1", "run-8", "c1", MINUTE), RUN, Whose.OTHERS),
        (Marks("m9", "", "c1", MINUTE), RUN, Whose.UNCLEAR),
        (Marks("m9", "", "c1", MINUTE), GIVEN, Whose.OURS),
        (Marks("m9", "", "c1", ENDED + CLOCKS * 2), GIVEN, Whose.UNCLEAR),
        (Marks("m9", "", "c1", MINUTE), GIVEN.model_copy(update={"began": None}), Whose.UNCLEAR),
        (Marks("m9", "", "c9", MINUTE), RUN, Whose.OTHERS),
        (Marks("m9", "", "", MINUTE), GIVEN, Whose.OTHERS),
        (Marks("m9", "", "", MINUTE), RunTraces(run_id=""), Whose.OTHERS),
    ],
)
def test_whose(marks: Marks, traces: RunTraces, wanted: Whose) -> None:
    """Each mark, alone and beside others."""
    assert whose(marks, traces) is wanted


@given(
    message_id=names,
    run_id=names | st.just(""),
    correlation=names | st.just(""),
    sent_at=moments | st.none(),
    traces=st.builds(
        RunTraces,
        run_id=names | st.just(""),
        message_ids=st.frozensets(names, max_size=5),
        correlation_ids=st.frozensets(names, max_size=5),
        began=moments | st.none(),
        ended=moments | st.none(),
    ),
)
def test_an_innocent_message_is_never_chosen(
    message_id: str, run_id: str, correlation: str, sent_at: datetime | None, traces: RunTraces
) -> None:
    """What the run did not send and nobody named is left alone, whenever it was sent, for all ids and times."""
    chosen = whose(Marks(message_id, run_id, correlation, sent_at), traces) is Whose.OURS

    known = message_id in traces.message_ids
    named = bool(run_id) and run_id == traces.run_id
    pointed_at = bool(correlation) and correlation in traces.correlation_ids
    if not (known or named or pointed_at):
        assert not chosen
    if run_id and traces.run_id and run_id != traces.run_id:
        assert not chosen
    if chosen and not known:
        assert sent_at is not None
        assert traces.began is not None
        assert sent_at >= traces.began - CLOCKS


@pytest.mark.parametrize(
    ("receives", "most", "dies"), [(1, None, False), (1, 1, True), (1, 2, False), (2, 2, True), (4, 3, True)]
)
def test_the_last_try(receives: int, most: int | None, *, dies: bool) -> None:
    """SQS delivers a message `maxReceiveCount` times; received so often, the next consumer never gets it."""
    assert costs_the_last_try(receives, most) is dies
    assert looks_left(receives - 1, most) is not dies


def test_a_queue_whose_messages_live_once_is_not_searched() -> None:
    """One look would kill everybody's messages."""
    assert refuses_a_look(QueueState(url=QUEUE, max_receives=1))
    assert not refuses_a_look(QueueState(url=QUEUE, max_receives=2))
    assert not refuses_a_look(QueueState(url=QUEUE))


def test_counts_add_up() -> None:
    """Each published message is removed, consumed or unknown, and only what may be hidden is unknown."""
    found = tally(RUN, frozenset({"m1"}), out_of_reach=5)
    assert (found.published, found.removed, found.consumed, found.unknown) == (2, 1, 0, 1)
    gone = tally(RUN, frozenset({"m1"}))
    assert (gone.consumed, gone.unknown) == (1, 0)
    untold = tally(GIVEN, frozenset({"x"}))
    assert (untold.published, untold.removed, untold.consumed) == (None, 1, 0)


@pytest.mark.parametrize(
    ("visible", "missing", "searched", "verdict"),
    [
        (5, 2, False, Verdict.FAIL),
        (5, 0, False, Verdict.PASS),
        (0, 2, False, Verdict.PASS),
        (5, None, False, Verdict.FAIL),
        (5, None, True, Verdict.PASS),
        (5, 2, True, Verdict.FAIL),
    ],
)
def test_when_a_queue_needs_searching(
    visible: int, missing: int | None, *, searched: bool, verdict: Verdict
) -> None:
    """It does while something of the run may be in it."""
    state = QueueState(url=QUEUE, visible=visible)
    assert judge_queue(state, None, missing, searched=searched).verdict is verdict
    assert judge_queue(
        state.model_copy(update={"exists": False}), None, missing, searched=searched
    ).verdict is (Verdict.PASS)
