"""When an environment is drilled by the clock."""

from __future__ import annotations

from datetime import time

import pytest

from rules.drill_times import cron, scheduled
from rules.drills import AllowedDrill, DrillPolicy, DrillWindow, FaultName
from rules.severity import Tier

USUAL = AllowedDrill(fault=FaultName.BROKEN_RELEASE)
URGENT = AllowedDrill(fault=FaultName.KILLED_GATEWAY, emergency=True)
PATTERN = "{minute} {hour} * * {day}#1"


@pytest.mark.parametrize(
    ("start", "end", "later", "wanted"),
    [
        (None, None, 0, "0 10 * * tue#1"),
        (None, None, 90, "30 11 * * tue#1"),
        (time(9, 45), time(12), 30, "15 10 * * mon#1"),
        (time(9, 45), time(10), 30, "45 9 * * mon#1"),  # half an hour later the window is over
        (time(23), time(3), 30, "30 23 * * mon#1"),
        (time(23), time(3), 90, "0 23 * * mon#1"),  # the day after has another name
    ],
)
def test_a_drill_begins_with_the_window(
    start: time | None, end: time | None, later: int, wanted: str
) -> None:
    """Later where it still is inside; without a window, on a Tuesday morning."""
    window = DrillWindow(start=start, end=end) if start and end else None

    assert cron(PATTERN, DrillPolicy(window=window), later) == wanted


def test_the_last_day_is_the_windows() -> None:
    """The rehearsal is on another day than the drill, where the window has another."""
    window = DrillWindow(start=time(9), end=time(10), weekdays=("mon", "fri"))

    assert cron("{day} {last_day}", DrillPolicy(window=window), 0) == "mon fri"
    assert cron("{day} {last_day}", DrillPolicy(), 0) == "tue thu"


@pytest.mark.parametrize(
    ("allowed", "tier", "usual", "emergency"),
    [
        ((), Tier.STAGING, False, False),
        ((USUAL,), Tier.STAGING, True, False),
        ((USUAL, URGENT), Tier.PREPROD, True, True),
        ((USUAL, URGENT), Tier.PRODUCTION, False, False),
    ],
)
def test_only_what_is_allowed_is_drilled_by_the_clock(
    allowed: tuple[AllowedDrill, ...], tier: Tier, usual: bool, emergency: bool
) -> None:
    """Production never is: a schedule has nobody's approval."""
    policy = DrillPolicy(allowed=allowed, production=True)

    found = scheduled(policy, tier, "usual"), scheduled(policy, tier, "emergency")

    assert found == (usual, emergency)
