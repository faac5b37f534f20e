"""Why an alarm does not clear: is its metric really bad, is there no data, is it switched off?

Runbook source: 001 «CloudWatch Alarms Won't Clear». Setting an alarm to OK by hand lasts until CloudWatch evaluates it
again, so it is right only where the evidence says OK and nothing will evaluate it to anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from rules.health import AlarmState
from rules.outcomes import Check, Verdict
from rules.values import Frozen


class Missing(StrEnum):
    """What an alarm makes of periods without data: CloudWatch's own words."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


class AlarmDefinition(Frozen):
    """One alarm, as it is defined and as it stands. Periods are seconds, `since` is UTC."""

    name: str
    state: AlarmState
    since: datetime
    reason: str = ""
    actions_enabled: bool = True
    rule: str = ""
    """Of a composite alarm: what it is made of."""
    namespace: str = ""
    metric: str = ""
    """Empty where the alarm is computed from several metrics."""
    dimensions: dict[str, str] = {}
    statistic: str = ""
    comparison: str = ""
    threshold: float | None = None
    period_seconds: int = 60
    evaluation_periods: int = 1
    missing: Missing = Missing.MISSING

    @property
    def window_seconds(self) -> int:
        """How far back an evaluation looks."""
        return self.period_seconds * self.evaluation_periods


class Cause(StrEnum):
    """Why an alarm is as it is."""

    FINE = "it is OK and tells people"
    SILENT = "it is OK, but its actions are disabled: it would tell nobody"
    STUCK = "nothing is wrong any more, and nothing will clear it"
    REALLY_BAD = "its metric is really bad"
    CLEARING = "its metric is good again: CloudWatch clears it by itself"
    FOLLOWS = "it follows other alarms"
    NO_DATA = "it has no data"
    UNREADABLE = "its evidence cannot be read here"


class Diagnosis(Frozen):
    """Why an alarm is as it is, in one word and one sentence."""

    cause: Cause
    reason: str


_COMPARES = {
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}


def diagnose(alarm: AlarmDefinition, points: Sequence[float], now: datetime) -> Diagnosis:
    """Why the alarm is as it is. `points` are what its metric said in the periods it looks at, oldest first."""
    if alarm.state is AlarmState.OK:
        cause = Cause.FINE if alarm.actions_enabled else Cause.SILENT
        return Diagnosis(cause=cause, reason=cause.value)
    if alarm.rule:
        return Diagnosis(cause=Cause.FOLLOWS, reason=f"it follows other alarms: {alarm.rule}")
    compare = _COMPARES.get(alarm.comparison)
    if not alarm.metric or alarm.threshold is None or compare is None:
        return Diagnosis(
            cause=Cause.UNREADABLE, reason="it is computed from several metrics or from an expected band"
        )
    bad = [point for point in points if compare(point, alarm.threshold)]
    if bad:
        told = f"{len(bad)} of its last {len(points)} points breach {alarm.threshold:g}, the newest is {points[-1]:g}"
        return Diagnosis(cause=Cause.REALLY_BAD, reason=told)
    if points:
        return _good(alarm, len(points), now)
    return _without_data(alarm)


def _good(alarm: AlarmDefinition, count: int, now: datetime) -> Diagnosis:
    good = f"its last {count} points are good"
    age = (now - alarm.since).total_seconds()
    # One period more than it looks back: CloudWatch evaluates once a period, and not on the second.
    if age <= alarm.window_seconds + alarm.period_seconds:
        told = f"{good}; it changed {age:.0f} s ago and looks back {alarm.window_seconds} s"
        return Diagnosis(cause=Cause.CLEARING, reason=told)
    if count < alarm.evaluation_periods and alarm.missing is Missing.BREACHING:
        told = f"only {count} of {alarm.evaluation_periods} periods have data, and missing ones count as bad"
        return Diagnosis(cause=Cause.REALLY_BAD, reason=told)
    return Diagnosis(
        cause=Cause.STUCK, reason=f"{good}, and it has stayed {alarm.state.value} for {age:.0f} s"
    )


def _without_data(alarm: AlarmDefinition) -> Diagnosis:
    if alarm.missing is Missing.BREACHING:
        told = "its metric says nothing, and missing data counts as bad: find out why nobody reports it"
        return Diagnosis(cause=Cause.REALLY_BAD, reason=told)
    if alarm.missing is Missing.IGNORE and alarm.state is AlarmState.ALARM:
        told = "its metric says nothing any more, and it keeps its last state while that is so"
        return Diagnosis(cause=Cause.STUCK, reason=told)
    if alarm.missing is Missing.NOT_BREACHING:
        return Diagnosis(
            cause=Cause.CLEARING, reason="no data counts as good: CloudWatch clears it by itself"
        )
    return Diagnosis(cause=Cause.NO_DATA, reason="its metric says nothing: that is neither good nor bad")


_HINTS = {
    Cause.REALLY_BAD: "Recover what it warns of; it clears by itself afterwards.",
    Cause.CLEARING: "Wait one evaluation; start again if it stays.",
    Cause.FOLLOWS: "Look at the alarms in its rule; it follows them.",
    Cause.NO_DATA: "Find out why its metric reports nothing; its state must not be set to OK.",
    Cause.UNREADABLE: "Look at its metrics by hand.",
}


def hint(cause: Cause) -> str:
    """What to do where the alarm itself is not at fault."""
    return _HINTS.get(cause, "")


def judge(alarm: AlarmDefinition, diagnosis: Diagnosis) -> Check:
    """Whether the alarm itself is broken: a fail can be mended here, an inconclusive one must not be."""
    verdict = {
        Cause.FINE: Verdict.PASS,
        Cause.SILENT: Verdict.FAIL,
        Cause.STUCK: Verdict.FAIL,
    }.get(diagnosis.cause, Verdict.INCONCLUSIVE)
    seen = alarm.state.value + ("" if alarm.actions_enabled else ", actions disabled")
    advice = hint(diagnosis.cause)
    told = f"{diagnosis.reason}. {advice}".rstrip(". ") if advice else diagnosis.reason
    return Check(
        name=f"alarm {alarm.name}", verdict=verdict, reason=told, wanted="OK, telling people", seen=seen
    )


def stays_ok(alarm: AlarmDefinition, seconds: float) -> Check:
    """Whether it stayed OK for a period after it was set: CloudWatch has evaluated it since."""
    name, wanted, seen = f"alarm {alarm.name}", f"OK for {seconds:g} s, telling people", alarm.state.value
    if alarm.state is not AlarmState.OK:
        told = f"it went back to {alarm.state.value}: {alarm.reason or 'no reason given'}"
        return Check(name=name, verdict=Verdict.FAIL, reason=told, wanted=wanted, seen=seen)
    if not alarm.actions_enabled:
        return Check(
            name=name, verdict=Verdict.FAIL, reason="its actions are disabled", wanted=wanted, seen=seen
        )
    return Check(name=name, verdict=Verdict.PASS, reason="it stayed OK", wanted=wanted, seen=seen)
