"""Which time a report is about: the last whole day, or the last whole month, UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """How long a report looks back."""

    DAY = "day"
    MONTH = "month"


def span(period: Period, today: date) -> tuple[datetime, datetime]:
    """The last whole period before today: its beginning, and the moment after its end."""
    if period is Period.DAY:
        first, after = today - timedelta(days=1), today
    else:
        after = today.replace(day=1)
        first = (after - timedelta(days=1)).replace(day=1)
    return _midnight(first), _midnight(after)


def name_of(period: Period, since: datetime) -> str:
    """What a report of that time is called: 2026-11-27, or 2026-11."""
    return f"{since:%Y-%m-%d}" if period is Period.DAY else f"{since:%Y-%m}"


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
