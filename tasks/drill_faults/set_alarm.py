"""An alarm that a drill sets: alone, where only the alarm path is drilled, or where no alarm notices the fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.aws_errors import translated
from blocks.environment import Environment
from blocks.platforms import LambdaPlatform
from rules.drills import FaultName
from rules.errors import RecoveryRefused
from rules.health import AlarmState
from tasks.drill_faults.kind import DrillFault, Note, Wish

ALARM = "alarm"
_BEFORE, _REASON = "alarm before", "alarm reason"


def prepare_alarm(environment: Environment, wish: Wish) -> dict[str, str]:
    """The alarm as it is.

    Permissions: cloudwatch:DescribeAlarms
    """
    seen = _read(environment, wish.alarm)
    if not seen:
        raise RecoveryRefused(
            f"There is no alarm {wish.alarm} in {environment.name}.", hint="Correct `drills.allowed`."
        )
    if seen["StateValue"] == AlarmState.ALARM.value or not seen.get("ActionsEnabled", True):
        raise RecoveryRefused(f"The alarm {wish.alarm} fires already, or tells nobody.", hint="Look at it.")
    told = f"set by the Backstop drill {wish.drill}"
    return {ALARM: wish.alarm, _BEFORE: str(seen["StateValue"]), _REASON: told}


def set_alarm(environment: Environment, note: Note) -> None:
    """Let it fire: CloudWatch tells whoever it would tell.

    Permissions: cloudwatch:SetAlarmState
    """
    _set(environment, note[ALARM], AlarmState.ALARM.value, note[_REASON])


def unset_alarm(environment: Environment, note: Note) -> str:
    """Set it back, if it still fires because of the drill.

    Permissions: cloudwatch:DescribeAlarms, cloudwatch:SetAlarmState
    """
    seen = _read(environment, note[ALARM])
    if seen.get("StateValue") != AlarmState.ALARM.value or seen.get("StateReason") != note[_REASON]:
        return ""
    _set(environment, note[ALARM], note[_BEFORE], f"{note[_REASON]}, which is over")
    return f"the alarm {note[ALARM]} fired still"


def _prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    platform = environment.platform
    prefix = platform.alarm_prefix if isinstance(platform, LambdaPlatform) else None
    if prefix and wish.alarm.startswith(prefix):
        raise RecoveryRefused(
            f"The alarm {wish.alarm} speaks for the service: a recovery would believe it and roll back what is well.",
            hint=f"Name one that does not begin with {prefix}, or drill `{FaultName.BROKEN_RELEASE.value}`.",
        )
    return {}


def _nothing(environment: Environment, note: Note) -> None:
    """Only the alarm is set."""


def _read(environment: Environment, name: str) -> Mapping[str, Any]:
    with translated(f"read the alarm {name}"):
        answer = environment.aws.client("cloudwatch").describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    found: list[Mapping[str, Any]] = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    return found[0] if found else {}


def _set(environment: Environment, name: str, state: str, reason: str) -> None:
    with translated(f"set the alarm {name} to {state}"):
        environment.aws.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=AlarmState(state).value, StateReason=reason
        )


ALARM_ONLY = DrillFault(FaultName.ALARM_ONLY, _prepare, _nothing, lambda _environment, _note: "")
