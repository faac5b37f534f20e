"""Freeze windows: when nobody but break-glass may change an environment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import AwareDatetime, Field, model_validator

from rules.values import Frozen


class FreezeWindow(Frozen):
    """A time in which an environment is not to be changed, both ends with a time zone."""

    start: AwareDatetime = Field(description="First moment of the freeze, for instance 2026-12-24T00:00:00Z.")
    end: AwareDatetime = Field(description="First moment after the freeze.")
    reason: str = Field(default="", description="What people are told who are refused because of it.")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> FreezeWindow:
        if self.end <= self.start:
            raise ValueError("a freeze window must end after it starts")
        return self


def frozen_by(windows: Iterable[FreezeWindow], now: datetime) -> FreezeWindow | None:
    """The freeze window that `now` lies in; of several, the one that ends last."""
    holding = [window for window in windows if window.start <= now < window.end]
    return max(holding, key=lambda window: window.end, default=None)
