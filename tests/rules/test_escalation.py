"""Who is told when: the runbooks' matrices, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.escalation import (
    DEFAULT_LEVELS,
    Level,
    Message,
    after_incident,
    page_at_once,
    schedule,
)
from rules.outcomes import Ending
from rules.severity import Severity, Situation, Tier

OPENED = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
PATH = [
    Level(name="on-call", after_seconds=300),
    Level(name="lead", after_seconds=600),
    Level(name="owner", after_seconds=900),
]


def test_the_matrix_of_runbook_004() -> None:
    """Lead after 5 minutes, infrastructure after 10, business after 15."""
    assert [seconds / 60 for seconds, _ in DEFAULT_LEVELS] == [5, 10, 15]


@pytest.mark.parametrize(
    ("severity", "tier", "names"),
    [
        (Severity.CRITICAL, Tier.PRODUCTION, ["on-call", "lead", "owner"]),
        (Severity.MEDIUM, Tier.PRODUCTION, ["on-call", "lead"]),
        (Severity.LOW, Tier.PRODUCTION, ["on-call"]),
        (Severity.CRITICAL, Tier.PREPROD, ["on-call"]),
        (Severity.LOW, Tier.PREPROD, []),
        (Severity.CRITICAL, Tier.DEVELOPMENT, []),
    ],
)
def test_how_far_up_it_goes(severity: Severity, tier: Tier, names: list[str]) -> None:
    """Production wakes everybody in turn, preprod one, development nobody."""
    due = schedule(severity, tier, OPENED, PATH)

    assert [each.name for each in due] == names
    assert [each.at for each in due] == [OPENED + timedelta(minutes=5 * (n + 1)) for n in range(len(names))]
    assert all(severity.value in each.reason for each in due)


@pytest.mark.parametrize(
    ("ending", "tier", "levels"),
    [
        (Ending.RECOVERED, Tier.PRODUCTION, []),
        (Ending.NOTHING_TO_DO, Tier.PRODUCTION, []),
        (Ending.REFUSED, Tier.PRODUCTION, [1]),
        (Ending.NOT_RECOVERED, Tier.PRODUCTION, [1, 2]),
        (Ending.UNDO_FAILED, Tier.PRODUCTION, [1, 2, 3]),
        (Ending.UNDO_FAILED, Tier.PREPROD, [1]),
        (Ending.UNDO_FAILED, Tier.QA, []),
    ],
)
def test_who_is_paged_at_once(ending: Ending, tier: Tier, levels: list[int]) -> None:
    """The worse the ending, the more people."""
    assert page_at_once(ending, Severity.CRITICAL, tier, len(PATH)) == levels


@given(
    st.sampled_from(Severity),
    st.sampled_from(Tier),
    st.sampled_from(Ending),
    st.lists(st.floats(0, 1e5), max_size=6),
)
def test_never_beyond_the_path(severity: Severity, tier: Tier, ending: Ending, delays: list[float]) -> None:
    """Only levels that exist are scheduled or paged, each once, in the order of their times."""
    path = [Level(name="somebody", after_seconds=delay) for delay in delays]

    due = schedule(severity, tier, OPENED, path)
    at_once = page_at_once(ending, severity, tier, len(path))

    assert [each.at for each in due] == sorted(each.at for each in due)
    assert len({each.level for each in due}) == len(due)
    assert {each.level for each in due} | set(at_once) <= set(range(1, len(path) + 1))


def test_a_message_reads_as_condition_actions_needs() -> None:
    """What somebody half asleep has to know, in this order."""
    message = Message(title="t", condition="down", actions=("tried this",), needs="you", where="here")

    assert message.body == "CONDITION: down\n\nACTIONS:\n- tried this\n\nNEEDS: you\n\nhere"


@pytest.mark.parametrize("ending", list(Ending))
def test_there_is_always_something_to_say_afterwards(ending: Ending) -> None:
    """Every ending has its list; where nothing was changed it says so; break-glass is always reviewed."""
    tasks = after_incident(ending, broke_glass=True)

    assert tasks
    if "nothing was changed." not in tasks[0] or ending is Ending.REFUSED:
        assert any("break-glass" in task for task in tasks)
        assert any("runbook" in task for task in tasks)


def test_a_rollback_that_had_failed_is_looked_into() -> None:
    """However well the recovery from it ended."""
    why = "Find out why the automatic recovery failed, and rehearse it again."

    assert why in after_incident(Ending.RECOVERED, found=Situation.NOT_ROLLED_BACK)
    assert why not in after_incident(Ending.RECOVERED)
