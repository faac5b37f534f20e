"""How much later each of several things begins."""

from __future__ import annotations

import pytest

from rules.steady_delays import later_cron, steady_delay


def test_a_delay_is_always_the_same_and_spread_over_names() -> None:
    """Never longer than allowed, and of a hundred names no quarter of the time gets more than half."""
    delays = [steady_delay(f"environment-{number}", 239) for number in range(100)]

    assert delays == [steady_delay(f"environment-{number}", 239) for number in range(100)]
    assert all(0 <= delay <= 239 for delay in delays)
    assert max(sum(delay // 60 == quarter for delay in delays) for quarter in range(4)) < 50
    assert steady_delay("anything", 0) == 0


def test_a_cron_expression_is_moved_within_its_hour() -> None:
    """Its other fields stay; what would leave the hour, or names no plain minute, is refused."""
    assert later_cron("0 4 * * 1", 55) == "55 4 * * 1"
    assert later_cron("*/5 * * * *", 0) == "*/5 * * * *"
    for refused in ("10 4 * * *", "*/5 * * * *"):
        with pytest.raises(ValueError, match="within its hour"):
            later_cron(refused, 55)
