"""What an environment lets be broken on purpose, and whose turn it is.

Runbook sources: 002 «Testing Rollback Procedures» (monthly in staging, emergency procedures quarterly), 004 «Test
rollback in staging weekly».
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from rules.errors import RecoveryRefused
from rules.names import AlarmName, QueueUrl, TableName
from rules.promises import PROMISES
from rules.triggers import ScenarioName
from rules.values import Frozen

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class FaultName(StrEnum):
    """The faults that a drill can bring about."""

    BROKEN_RELEASE = "broken-release"
    HELD_LOCK = "held-lock"
    KILLED_GATEWAY = "killed-gateway"
    CORRUPTED_REDIS = "corrupted-redis"
    WRONG_QUEUE = "wrong-queue"
    POLLUTED_TABLE = "polluted-table"
    ALARM_ONLY = "alarm-only"


class FaultKind(Frozen):
    """What a fault is of. `scenario` empty: whichever its alarm starts."""

    scenario: str
    platform: str
    """The kind of platform it can be brought about on; empty: any in an AWS account."""
    own_alarm: bool
    """Whether the service's own alarms notice it; else the drill has to set one, or to say it as a person does."""
    by_word: bool = False
    """No alarm can tell of it: a person has to say it, and the drill does so in their place."""
    about: str = ""
    """What is there then, in a few words."""
    aims_at: Literal["", "queue", "table"] = ""
    """What an allowed drill has to name beside the fault, so that nothing is hit that nobody chose."""


FAULT_KINDS: dict[FaultName, FaultKind] = {
    FaultName.BROKEN_RELEASE: FaultKind(
        scenario="canary-failure",
        platform="lambda",
        own_alarm=True,
        about="a release that is known to be bad is live",
    ),
    FaultName.HELD_LOCK: FaultKind(
        scenario="stale-terraform-lock",
        platform="lambda",
        own_alarm=False,
        about="a dead process's lock lies on the Terraform state",
    ),
    FaultName.KILLED_GATEWAY: FaultKind(
        scenario="container-start-failure",
        platform="docker_stack",
        own_alarm=True,
        about="the gateway's container is killed",
    ),
    FaultName.CORRUPTED_REDIS: FaultKind(
        scenario="redis-corruption",
        platform="docker_stack",
        own_alarm=True,
        about="four of five of the service's keys are renamed",
    ),
    FaultName.WRONG_QUEUE: FaultKind(
        scenario="wrong-queue-publish",
        platform="test_kit",
        own_alarm=False,
        about="a run of the drill's own has sent to a queue that is not its",
        aims_at="queue",
    ),
    FaultName.POLLUTED_TABLE: FaultKind(
        scenario="rollback-failure",
        platform="lambda",
        own_alarm=False,
        by_word=True,
        about="some items of a table miss an attribute",
        aims_at="table",
    ),
    FaultName.ALARM_ONLY: FaultKind(
        scenario="", platform="", own_alarm=False, about="nothing is broken, only the alarm is set"
    ),
}


class DrillWindow(Frozen):
    """When a drill may begin, in the policy's time zone. One that ends before it starts goes past midnight."""

    weekdays: tuple[Weekday, ...] = Field(
        default=("mon", "tue", "wed", "thu"), min_length=1, description="The days on which it begins."
    )
    start: time = Field(description="First moment, local time, for instance 10:00.")
    end: time = Field(description="First moment after it, local time.")

    @model_validator(mode="after")
    def _is_not_empty(self) -> DrillWindow:
        if self.start == self.end or self.start.tzinfo or self.end.tzinfo:
            raise ValueError("a drill window needs two different local times")
        return self

    def holds(self, local: datetime) -> bool:
        """Whether a local moment lies in it."""
        at, day = local.time(), _WEEKDAYS[local.weekday()]
        if self.start < self.end:
            return day in self.weekdays and self.start <= at < self.end
        yesterday = _WEEKDAYS[local.weekday() - 1]
        return (day in self.weekdays and at >= self.start) or (yesterday in self.weekdays and at < self.end)


class AllowedDrill(Frozen):
    """One fault that may be brought about here, and what it drills."""

    fault: FaultName
    scenario: ScenarioName | Literal[""] = Field(
        default="", description="What it drills, where the fault alone does not say."
    )
    alarm: AlarmName | Literal[""] = Field(
        default="",
        description="The CloudWatch alarm that the drill sets, where none notices the fault by itself.",
    )
    queue: QueueUrl | Literal[""] = Field(
        default="", description="Of `wrong-queue`: the queue, not the tests' own, that messages are sent to."
    )
    table: TableName | Literal[""] = Field(
        default="", description="Of `polluted-table`: the table in which some items are damaged."
    )
    emergency: bool = Field(
        default=False,
        description="One of the emergency paths, drilled every quarter and apart from the others.",
    )

    @model_validator(mode="after")
    def _can_be_noticed(self) -> AllowedDrill:
        kind = FAULT_KINDS[self.fault]
        if kind.by_word and (self.alarm or self.scenario not in ("", kind.scenario)):
            raise ValueError(
                f"the drill itself asks for the recovery from `{self.fault.value}`: name no alarm"
            )
        if not (kind.own_alarm or kind.by_word or self.alarm):
            raise ValueError(
                f"no alarm notices the fault `{self.fault.value}`: give it an `alarm` that is set"
            )
        if not self.drills:
            raise ValueError(f"the fault `{self.fault.value}` needs a `scenario`: what its alarm starts")
        if self.drills not in PROMISES:
            raise ValueError(f"there is no scenario `{self.drills}`")
        return self

    @model_validator(mode="after")
    def _names_its_aim(self) -> AllowedDrill:
        wanted = FAULT_KINDS[self.fault].aims_at
        for name, given in (("queue", self.queue), ("table", self.table)):
            if bool(given) is not (name == wanted):
                told = "needs a" if name == wanted else "has no"
                raise ValueError(f"the fault `{self.fault.value}` {told} `{name}`")
        return self

    @property
    def drills(self) -> str:
        """The scenario that it drills."""
        return self.scenario or FAULT_KINDS[self.fault].scenario

    def __str__(self) -> str:
        return f"{self.fault.value} for {self.drills}"


class DrillPolicy(Frozen):
    """What may be broken on purpose in an environment. Where nothing is said, nothing may."""

    allowed: tuple[AllowedDrill, ...] = Field(
        default=(), title="Allowed drills", description="Each fault that may be brought about here."
    )
    production: bool = Field(
        default=False,
        title="Also in production",
        description="Says that production may be broken on purpose: inside the window, with an approval.",
    )
    window: DrillWindow | None = Field(
        default=None,
        title="Window",
        description="When drills may begin. Empty: at any time, but never in production.",
    )
    timezone: Annotated[str, Field(max_length=60)] = Field(
        default="UTC",
        title="Time zone",
        description="Of the window and of the schedules, for instance Europe/Paris.",
    )

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, LookupError) as error:
            raise ValueError(f"there is no time zone {name!r}") from error
        return name

    @model_validator(mode="after")
    def _names_each_pair_once(self) -> DrillPolicy:
        pairs = [(each.fault, each.drills) for each in self.allowed]
        if len(set(pairs)) != len(pairs):
            raise ValueError("a drill is allowed twice: each fault once for a scenario")
        return self


Pair = tuple[str, str]
"""A fault and the scenario it drills."""


def in_turn(
    policy: DrillPolicy,
    last: Mapping[Pair, datetime],
    *,
    fault: str = "",
    scenario: str = "",
    emergency: bool = False,
) -> AllowedDrill:
    """The drill whose turn it is: the one never drilled, else the one drilled longest ago.

    Of several that were never drilled, the first of the policy. `fault` and `scenario` narrow the choice; emergency
    paths have turns of their own, unless one is asked for by its name.

    Raises:
        RecoveryRefused: the environment allows no such drill.
    """
    if not policy.allowed:
        raise RecoveryRefused(
            "This environment allows no drill.", hint="Name the faults under `drills.allowed` in its file."
        )
    named = bool(fault or scenario)
    fitting = [
        each
        for each in policy.allowed
        if (not fault or each.fault.value == fault)
        and (not scenario or each.drills == scenario)
        and (named or each.emergency == emergency)
    ]
    if not fitting:
        raise RecoveryRefused(
            f"This environment allows no such drill{' of an emergency path' if emergency else ''}.",
            hint=f"Allowed: {_listed(policy.allowed)}.",
        )
    never = [each for each in fitting if (each.fault.value, each.drills) not in last]
    return never[0] if never else min(fitting, key=lambda each: last[each.fault.value, each.drills])


def _listed(allowed: Sequence[AllowedDrill]) -> str:
    return ", ".join(str(each) for each in allowed)
