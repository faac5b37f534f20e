"""Which alarm starts what, and whether it belongs to an incident that is there already.

route:      the first route of `deployments/alarm_routes.yaml` that fits names scenario and environment
correlate:  0. another matter (other parameters) is in hand   -> the alarm waits until that is over
            1. an incident is open and its run lives           -> the alarm joins it
            2. a run was asked for and is not over             -> the alarm joins it
            3. an incident is open and its run is dead         -> a new run takes it up
            4. the last incident had this alarm before its eyes,
               or people were paged for it a moment ago        -> the alarm joins it, late
            5. else                                            -> a new incident begins
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, JsonValue, model_validator

from rules.alarms import Alarm, AlarmStatus
from rules.outcomes import Ending
from rules.values import Frozen

BLIND_SECONDS = 5.0
"""A verification looks every few seconds: what fired this shortly before its end it may not have seen."""
OWN_PARAMETERS = frozenset({"environment", "request", "rehearse"})
_LABEL = re.compile(r"\{([^{}]{1,256})\}")

ScenarioName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,60}$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]


class Place(Frozen):
    """Where an environment's alarms come from: a 12-digit account and a region's code. Both empty: it is in none."""

    account: str = Field(default="", pattern=r"^(\d{12})?$")
    region: str = Field(default="", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$")

    @model_validator(mode="after")
    def _is_whole(self) -> Place:
        if bool(self.account) is not bool(self.region):
            raise ValueError("account and region belong together: give both, or neither")
        return self


class Route(Frozen):
    """One line of the table: alarms that fit start this scenario in this environment.

    `alarm` and the values of `labels` are patterns with `*` and `?`, case matters. `source` is `sns` or a
    sender's name. `parameters` are given to the flow; `"{run_id}"` stands for the alarm's label of that name.
    """

    alarm: str = Field(min_length=1, max_length=256)
    scenario: ScenarioName
    environment: EnvironmentName
    source: str = ""
    labels: dict[str, str] = {}
    parameters: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _leaves_ours_alone(self) -> Route:
        taken = OWN_PARAMETERS & self.parameters.keys()
        if taken:
            raise ValueError(f"parameters may not set {', '.join(sorted(taken))}: Backstop fills these in")
        return self

    @property
    def handed_on(self) -> dict[str, str]:
        """The parameters that come from the alarm, and the label of each."""
        return {
            name: found[1]
            for name, value in self.parameters.items()
            if isinstance(value, str) and (found := _LABEL.fullmatch(value))
        }

    def given(self, labels: Mapping[str, str], whole_numbers: Collection[str] = ()) -> dict[str, JsonValue]:
        """The parameters for an alarm with these labels; those in `whole_numbers` become numbers.

        One whose label the alarm does not have is left out: the flow's default counts, and where it has none
        the run is refused and people are told.
        """
        told = {name: value for name, value in self.parameters.items() if name not in self.handed_on}
        for name, label in self.handed_on.items():
            if value := labels.get(label, ""):
                told[name] = int(value) if name in whole_numbers and value.isdecimal() else value
        return told


class AlarmRoutes(Frozen):
    """The table. For `cooldown_seconds` after an incident that paged people, further alarms start nothing."""

    environments: dict[EnvironmentName, Place] = {}
    routes: tuple[Route, ...] = ()
    cooldown_seconds: float = Field(default=300.0, ge=0, le=86400)

    @model_validator(mode="after")
    def _environments_are_known(self) -> AlarmRoutes:
        for route in self.routes:
            if route.environment not in self.environments:
                known = ", ".join(sorted(self.environments)) or "none"
                raise ValueError(
                    f"the route for {route.alarm!r} names the environment {route.environment!r}, "
                    f"which is not under `environments` (there: {known})"
                )
            if not self.environments[route.environment].account and not route.source:
                raise ValueError(
                    f"the route for {route.alarm!r} needs `source`: {route.environment!r} is in no account that could "
                    "tell whose alarm it is"
                )
        return self


class Routed(Frozen):
    """Where an alarm leads. Without a route it is kept and starts nothing; `reason` says why."""

    route: Route | None = None
    reason: str = ""


def route(alarm: Alarm, table: AlarmRoutes) -> Routed:
    """Find the first route that fits, and refuse it if the alarm comes from another account or region."""
    if alarm.status is not AlarmStatus.ALARM:
        return Routed(
            reason=f"the alarm says {alarm.status.value}: only an alarm that fires starts something"
        )
    fitting = next((candidate for candidate in table.routes if _fits(alarm, candidate)), None)
    if fitting is None:
        return Routed(reason=f"no route fits the alarm {alarm.name!r} from {alarm.source}")
    place = table.environments[fitting.environment]
    if not alarm.account and not alarm.region and fitting.source == alarm.source:
        return Routed(
            route=fitting
        )  # this sender's alarms name no account; the route trusts the sender by name
    for what, told, wanted in (
        ("account", alarm.account, place.account),
        ("region", alarm.region, place.region),
    ):
        if told != wanted:
            return Routed(
                reason=f"the alarm's {what} is {told or 'not named'}, {fitting.environment} is in {wanted or 'none'}"
            )
    return Routed(route=fitting)


def _fits(alarm: Alarm, candidate: Route) -> bool:
    return (
        candidate.source in ("", alarm.source)
        and fnmatch.fnmatchcase(alarm.name, candidate.alarm)
        and all(
            fnmatch.fnmatchcase(alarm.labels.get(key, ""), wanted) for key, wanted in candidate.labels.items()
        )
    )


class Standing(Frozen):
    """What the ledger knows about one scenario in one environment when an alarm has to be placed.

    `key` names the newest episode: its incident's or the asked run's. `settled_at` is when the newest
    incident had its last look at the world, `closed_at` when it ended.
    """

    key: str = ""
    matter: str | None = None
    """What the episode's first alarm gave the flow (`matter_of`); None where no alarm began it."""
    awaited: bool = False
    """A run was asked for, its incident is not open yet."""
    run_is_over: bool = False
    incident: str = ""
    runs: int = 0
    orphaned: bool = False
    settled_at: datetime | None = None
    closed_at: datetime | None = None
    ending: Ending | None = None


class Placement(Frozen):
    """Where an alarm belongs: to the episode `key`, which `begins` with it or was there already."""

    key: str
    begins: bool
    reason: str


def correlate(
    alarm_id: str,
    occurred_at: datetime,
    scenario: str,
    environment: str,
    standing: Standing,
    cooldown: timedelta,
    matter: str = "",
) -> Placement | None:
    """Place one firing alarm; the rules and their order are at the top of this file. None: it has to wait.

    Two failed workflow runs are two matters: the recovery of one has not seen the other, and is not its repetition.

    An episode is named by its first alarm (or by the death it takes up), not by a time: an alarm that is
    delivered again after its run died without opening an incident must get another run.
    """
    is_open = bool(standing.incident) and standing.closed_at is None
    if standing.matter is not None and standing.matter != matter:
        in_hand = is_open or (standing.awaited and not standing.run_is_over)
        key = incident_key(scenario, environment, alarm_id)
        return None if in_hand else Placement(key=key, begins=True, reason="another matter begins")
    if is_open and not standing.orphaned:
        return Placement(key=standing.key, begins=False, reason=f"{standing.incident} is open")
    if standing.awaited and not standing.run_is_over:
        return Placement(key=standing.key, begins=False, reason="its run was asked for already")
    if is_open:
        key = incident_key(scenario, environment, f"{standing.incident} {standing.runs}")
        return Placement(key=key, begins=True, reason=f"the run of {standing.incident} died: taking it up")
    if standing.closed_at is not None:
        seen_until = (standing.settled_at or standing.closed_at) - timedelta(seconds=BLIND_SECONDS)
        if occurred_at <= seen_until:
            return Placement(
                key=standing.key, begins=False, reason=f"it fired before {standing.incident} ended"
            )
        paged = standing.ending in (Ending.NOT_RECOVERED, Ending.UNDO_FAILED)
        if paged and occurred_at <= standing.closed_at + cooldown:
            return Placement(
                key=standing.key, begins=False, reason=f"people were paged by {standing.incident}"
            )
    key = incident_key(scenario, environment, alarm_id)
    return Placement(key=key, begins=True, reason="a new incident begins")


def matter_of(parameters: Mapping[str, JsonValue]) -> str:
    """What an alarm is about, beside scenario and environment: what its route gives the flow."""
    return json.dumps(parameters, sort_keys=True) if parameters else ""


def incident_key(scenario: str, environment: str, episode: str) -> str:
    """The identity of an episode, at most 80 characters: the idempotency key of its flow run."""
    digest = hashlib.sha256(f"{scenario}\n{environment}\n{episode}".encode()).hexdigest()
    return f"{scenario[:24]}:{environment[:24]}:{digest[:28]}"
