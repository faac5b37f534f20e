"""What a run did in an account that is not its own, and how sure that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rules.misfires import (
    METRIC_DELAY,
    TRAIL_DELAY,
    Sent,
    Trail,
    TrailEvent,
    done_by,
    foreign_accounts,
    judge_account,
    judge_calls,
    judge_sent,
    judge_trail,
    messages_of,
    sentence_of,
)
from rules.outcomes import Verdict

OWN, OTHER = "123456789012", "888888888888"
ENDED = datetime(2026, 11, 28, 3, 12, tzinfo=UTC)
URL = f"https://sqs.us-east-1.amazonaws.com/{OTHER}/prod-orders"


def call(name: str, *, read: bool, agent: str = "", key: str = "") -> TrailEvent:
    """One call of the history."""
    return TrailEvent(id=name + agent + key, call=name, at=ENDED, read_only=read, agent=agent, key=key)


MINE = call("secretsmanager:GetSecretValue", read=True, agent="Botocore itk/run-1", key="A1")
UNMARKED = call("sqs:TagQueue", read=False, key="A1")
OTHERS = call("sqs:PurgeQueue", read=False, agent="Botocore itk/run-2", key="A2")
TRAIL = Trail(events=(MINE, UNMARKED, OTHERS))


def test_other_accounts_are_told_by_their_queues() -> None:
    """Each with its queues; our own, and what is no address, are none."""
    urls = [URL, f"https://sqs.us-east-1.amazonaws.com/{OWN}/qa", "nonsense", "", URL]

    assert foreign_accounts(urls, OWN) == {OTHER: (URL,)}
    assert messages_of({URL: 3, urls[1]: 9}, OTHER) == {"prod-orders": 3}


def test_a_runs_calls_are_those_of_its_keys() -> None:
    """What names the run, and what was asked with the same key; nobody else's."""
    assert done_by("run-1", TRAIL) == (MINE, UNMARKED)
    read, written = judge_calls(OTHER, "run-1", TRAIL)
    assert read.reason == "secretsmanager:GetSecretValue; 1 calls name another"
    assert written.reason == "sqs:TagQueue"
    assert "Undo by hand" in written.left
    assert judge_calls(OTHER, "run-9", TRAIL)[1].left == ""


@pytest.mark.parametrize(
    ("trail", "after", "verdict", "left"),
    [
        (TRAIL, TRAIL_DELAY, Verdict.PASS, False),
        (TRAIL, TRAIL_DELAY - timedelta(seconds=1), Verdict.PASS, True),
        (Trail(events=TRAIL.events, cut=True), TRAIL_DELAY, Verdict.INCONCLUSIVE, False),
        (None, TRAIL_DELAY, Verdict.INCONCLUSIVE, False),
    ],
)
def test_how_complete_the_history_is(
    trail: Trail | None, after: timedelta, verdict: Verdict, left: bool
) -> None:
    """It may be a quarter of an hour late; what was cut off, or nobody may read, proves nothing."""
    check = judge_trail(OTHER, trail, ENDED, ENDED + after)

    assert check.verdict is verdict
    assert bool(check.left) is left


@pytest.mark.parametrize(
    ("metric", "after", "verdict"),
    [
        (24, METRIC_DELAY, Verdict.PASS),
        (90, METRIC_DELAY, Verdict.PASS),
        (23, METRIC_DELAY, Verdict.INCONCLUSIVE),
        (0, timedelta(0), Verdict.PASS),
        (None, METRIC_DELAY, Verdict.PASS),
    ],
)
def test_two_witnesses_of_the_messages(metric: int | None, after: timedelta, verdict: Verdict) -> None:
    """Others may have sent more; less than the run tells of is a riddle, once the metric had its time."""
    check = judge_sent(Sent(queue="q", by_run=24, by_metric=metric), ["c1"], ENDED, ENDED + after)

    assert check.verdict is verdict
    assert "nothing was deleted there" in check.left


@pytest.mark.parametrize(
    ("alive", "blocked", "refuses", "verdict"),
    [
        (False, True, True, Verdict.PASS),
        (True, True, True, Verdict.FAIL),
        (False, False, True, Verdict.FAIL),
        (False, True, False, Verdict.FAIL),
    ],
)
def test_an_account_is_closed_only_on_both_sides(
    alive: bool, blocked: bool, refuses: bool, verdict: Verdict
) -> None:
    """Nothing runs there, Backstop's list has it, and so has the kit's."""
    assert judge_account(OTHER, alive=alive, blocked=blocked, kit_refuses=refuses).verdict is verdict


def test_the_report_begins_with_what_ran() -> None:
    """Run, case, since when, for how long; what is unknown is said."""
    told = sentence_of("run-1", "orders", ENDED - timedelta(seconds=90), ENDED)

    assert told == "run-1, case orders, from 2026-11-28 03:10:30 UTC, for 90 s"
    assert sentence_of("run-1", "", None, None) == "run-1, case unknown, since nobody knows when"
