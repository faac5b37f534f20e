"""Freeze windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from rules.freezes import FreezeWindow, frozen_by

NOW = datetime(2026, 12, 25, 12, tzinfo=UTC)


def window(start: int, end: int, reason: str = "holidays") -> FreezeWindow:
    """A window in hours from now."""
    return FreezeWindow(start=NOW + timedelta(hours=start), end=NOW + timedelta(hours=end), reason=reason)


@pytest.mark.parametrize(
    ("start", "end", "frozen"), [(-1, 1, True), (0, 1, True), (-1, 0, False), (1, 2, False)]
)
def test_a_window_holds_from_its_start_to_before_its_end(start: int, end: int, frozen: bool) -> None:
    """The first moment is frozen, the last is not."""
    assert (frozen_by([window(start, end)], NOW) is not None) == frozen


def test_of_several_the_one_that_ends_last_is_told() -> None:
    """So that the message says how long to wait."""
    assert frozen_by([window(-1, 1), window(-2, 5, "audit"), window(2, 9)], NOW) == window(-2, 5, "audit")


def test_a_window_needs_a_time_zone_and_an_end_after_its_start() -> None:
    """Anything else is a misunderstanding waiting for its night."""
    with pytest.raises(ValidationError):
        FreezeWindow(start=NOW, end=NOW)
    with pytest.raises(ValidationError):
        FreezeWindow.model_validate({"start": "2026-12-24T00:00:00", "end": "2026-12-27T00:00:00"})
