"""When a deployment runs by itself, as `prefect.yaml` says it: once for all, or once for each environment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from rules.drill_times import Paths, cron, scheduled
from rules.severity import Tier
from rules.steady_delays import later_cron, steady_delay
from rules.values import Frozen

if TYPE_CHECKING:
    from blocks.environment import Environment

_ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
"""Intervals are counted from here, not from when they were registered: applying a change moves none of them."""


class Schedule(Frozen):
    """When a deployment runs by itself: exactly one of `cron`, `interval` (seconds) and `rrule`.

    An interval is counted from its `anchor_date`.
    """

    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
    cron: str | None = None
    interval: float | None = Field(default=None, gt=0)
    anchor_date: AwareDatetime | None = None
    rrule: str | None = None
    timezone: str = "UTC"
    active: bool = True
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _is_anchored(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("interval"):
            return {**given, "anchor_date": given.get("anchor_date") or _ANCHOR}
        return given

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Schedule:
        if sum(one is not None for one in (self.cron, self.interval, self.rrule)) != 1:
            raise ValueError("a schedule needs exactly one of `cron`, `interval` and `rrule`")
        if self.anchor_date and not self.interval:
            raise ValueError("only an `interval` has an `anchor_date`")
        return self


class EachSchedule(Frozen):
    """A schedule for each environment that fits; where there is none, nothing is scheduled.

    With `drills` it is for environments whose file allows such drills, in their time zone; `{minute}`, `{hour}` and
    `{day}` of the cron expression are then the beginning of their window, `{last_day}` its last day. The first begins
    `after_minutes` later, each other one `apart_minutes` after the one before. Without `drills` each begins up to
    `jitter` seconds later, always the same for one environment.
    """

    platform: Annotated[str, StringConstraints(pattern=r"^[a-z_]{0,40}$")] = ""
    tiers: tuple[Tier, ...] = ()
    drills: Paths | None = None
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
    cron: str | None = None
    interval: float | None = Field(default=None, gt=0)
    after_minutes: int = Field(default=0, ge=0, le=240)
    apart_minutes: int = Field(default=0, ge=0, le=240)
    jitter: int = Field(default=0, ge=0)
    parameters: dict[str, Any] = {}

    @model_validator(mode="after")
    def _has_room_for_its_jitter(self) -> EachSchedule:
        if self.interval and self.jitter >= self.interval:
            raise ValueError("a `jitter` is shorter than its `interval`")
        if self.cron and not self.drills:
            later_cron(self.cron, self.jitter // 60)
        return self

    def fits(self, environment: Environment) -> bool:
        """Whether an environment gets it."""
        return (
            self.platform in ("", environment.platform.kind)
            and (not self.tiers or environment.tier in self.tiers)
            and (self.drills is None or scheduled(environment.drills, environment.tier, self.drills))
        )

    def for_environment(self, environment: Environment, reference: Any, number: int) -> Schedule:
        """The schedule of one environment, the `number`th; `reference` is its block, as Prefect takes it."""
        slug, drilled = f"{self.slug}-{environment.name}", self.drills is not None
        delay = steady_delay(slug, self.jitter)
        begins = self.cron and (
            cron(self.cron, environment.drills, self.after_minutes + number * self.apart_minutes)
            if drilled
            else later_cron(self.cron, delay // 60)
        )
        return Schedule(
            slug=slug,
            cron=begins,
            interval=self.interval,
            anchor_date=_ANCHOR + timedelta(seconds=delay) if self.interval else None,
            timezone=environment.drills.timezone if drilled else "UTC",
            parameters={**self.parameters, "environment": reference},
        )
