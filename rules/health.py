"""Whether a service is healthy: looks at it are judged here, with three answers.

No evidence is neither pass nor fail. One good answer proves nothing after a rollback, so endpoints must answer well
several times in a row and alarms must stay clear for a while. Runbook source: 001 scenarios 5 and 6, verification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from rules.outcomes import Check, Finding, Verdict, Verification
from rules.severity import Severity
from rules.values import Frozen

HOPELESS_LOOKS = 12
"""So many bad answers in a row, and none good since acting, are not a slow start any more."""


class Look(Frozen):
    """One look at an endpoint. `verdict` is inconclusive when it could not be looked at (no key, no address)."""

    verdict: Verdict
    reason: str
    release: str = ""


class AlarmState(StrEnum):
    """CloudWatch's three states."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Alarm(Frozen):
    """One alarm, metric or composite, as it was seen."""

    name: str
    state: AlarmState
    actions_enabled: bool = True
    reason: str = ""


class RunningCode(Frozen):
    """What callers of a function get. `sha256` is of the package, hexadecimal; `settled` while nothing updates it."""

    function: str
    sha256: str
    version: str = ""
    size: int = 0
    """Bytes of the package, 0 when unknown."""
    settled: bool = True
    active: bool = True
    also: dict[str, float] = {}
    """Other versions that take part of the calls: version to share."""


def judge_endpoint(name: str, looks: Sequence[Look], passes: int, release: str = "") -> Check:
    """Whether an endpoint answered well the last `passes` times, and with the wanted release if it names one."""
    wanted = f"healthy {passes} times in a row" + (f", release {release}" if release else "")
    if not looks:
        return _check(f"health {name}", Verdict.INCONCLUSIVE, "was not looked at", wanted)
    last = looks[-1]
    other = bool(release and last.release and not same_release(last.release, release))
    seen = last.reason + (f", release {last.release}" if last.release else "")
    if last.verdict is not Verdict.PASS:
        return _check(f"health {name}", last.verdict, last.reason, wanted, seen)
    if other:
        return _check(f"health {name}", Verdict.FAIL, f"release {last.release} answers", wanted, seen)
    row = 0
    for look in reversed(looks):
        wrong = bool(release and look.release and not same_release(look.release, release))
        if look.verdict is not Verdict.PASS or wrong:
            break
        row += 1
    if row < passes:
        return _check(f"health {name}", Verdict.INCONCLUSIVE, f"{row} of {passes} in a row", wanted, seen)
    return _check(f"health {name}", Verdict.PASS, f"{row} healthy answers in a row", wanted, seen)


def same_release(one: str, other: str) -> bool:
    """Whether two names mean one release: services often answer with a shortened commit."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 7 and long.startswith(short))


def judge_alarms(
    prefix: str, looks: Sequence[tuple[float, Sequence[Alarm]]], clear_seconds: float
) -> list[Check]:
    """Whether every alarm is green, and was without a break for `clear_seconds`.

    `looks` are (moment in seconds, alarms) in their order. An empty answer is not health: composite alarms or
    another prefix may have been missed. No data, and an alarm that would tell nobody, are not green either.
    """
    wanted = f"OK for {clear_seconds:g} s" if clear_seconds else "OK"
    if not looks:
        return [_check(f"alarms {prefix}*", Verdict.INCONCLUSIVE, "were not looked at", wanted)]
    now, latest = looks[-1]
    if not latest:
        return [_check(f"alarms {prefix}*", Verdict.INCONCLUSIVE, "no alarm has such a name", wanted)]
    return [_judge_alarm(alarm, looks, now, clear_seconds, wanted) for alarm in latest]


def _judge_alarm(
    alarm: Alarm,
    looks: Sequence[tuple[float, Sequence[Alarm]]],
    now: float,
    clear_seconds: float,
    wanted: str,
) -> Check:
    name, seen = f"alarm {alarm.name}", alarm.state.value
    if alarm.state is AlarmState.ALARM:
        return _check(name, Verdict.FAIL, alarm.reason or "it is firing", wanted, seen)
    if alarm.state is AlarmState.INSUFFICIENT_DATA:
        return _check(name, Verdict.INCONCLUSIVE, "it has no data", wanted, seen)
    if not alarm.actions_enabled:
        return _check(
            name, Verdict.INCONCLUSIVE, "its actions are disabled", wanted, f"{seen}, actions disabled"
        )
    since = now
    for at, alarms in reversed(looks):
        then = next((a for a in alarms if a.name == alarm.name), None)
        if then is None or then.state is not AlarmState.OK:
            break
        since = at
    clear = now - since
    if clear < clear_seconds:
        return _check(
            name, Verdict.INCONCLUSIVE, f"clear for {clear:.0f} of {clear_seconds:g} s", wanted, seen
        )
    return _check(
        name, Verdict.PASS, f"clear for {clear:.0f} s" if clear_seconds else "it is clear", wanted, seen
    )


def stand_alone(
    alarms: Sequence[Alarm], endpoints: Mapping[str, Sequence[Look]], live: Sequence[RunningCode]
) -> bool:
    """Whether an alarm fires, and everything else that can be looked at is well: nothing agrees with it yet."""
    firing = any(alarm.state is AlarmState.ALARM for alarm in alarms)
    well = all(look.verdict is Verdict.PASS for looks in endpoints.values() for look in looks)
    return firing and bool(endpoints) and well and all(code.active for code in live)


def judge_watched(seconds: float, wanted_seconds: float) -> Check:
    """Whether the service was watched for long enough."""
    over = seconds >= wanted_seconds
    told = f"for {seconds:.0f} of {wanted_seconds:.0f} s"
    return _check("watched", Verdict.PASS if over else Verdict.INCONCLUSIVE, told, f"{wanted_seconds:.0f} s")


def judge_code(live: RunningCode, wanted_sha256: str) -> Check:
    """Whether callers of a function get exactly the wanted package."""
    name, wanted, seen = f"code {live.function}", short(wanted_sha256), short(live.sha256)
    if not live.settled:
        return _check(name, Verdict.INCONCLUSIVE, "an update of it is in progress", wanted, seen)
    if live.sha256 != wanted_sha256:
        return _check(name, Verdict.FAIL, "other code is live", wanted, seen)
    if live.also:
        split = ", ".join(
            f"version {version} takes {share:.0%}" for version, share in sorted(live.also.items())
        )
        return _check(name, Verdict.FAIL, f"its alias splits the calls: {split}", wanted, seen)
    if not live.active:
        return _check(name, Verdict.FAIL, "it is not active", wanted, seen)
    return _check(name, Verdict.PASS, "the wanted code is live", wanted, seen)


def judge_service(live: Sequence[RunningCode]) -> list[Check]:
    """Whether every function can serve at all, whatever its code: active and settled."""
    checks = []
    for code in live:
        name = f"function {code.function}"
        if not code.active:
            checks.append(_check(name, Verdict.FAIL, "it is not active", "active"))
        elif not code.settled:
            checks.append(_check(name, Verdict.INCONCLUSIVE, "an update of it is in progress", "active"))
        else:
            checks.append(_check(name, Verdict.PASS, "it is active", "active", short(code.sha256)))
    return checks


def judge_terraform(exit_code: int, changes: Sequence[str], drift: Sequence[str]) -> Check:
    """Whether Terraform's code, its state and the world agree. «No changes» alone says nothing about drift."""
    if exit_code == 0 and not changes and not drift:
        return _check("terraform", Verdict.PASS, "no changes and no drift", "no changes, no drift")
    told = [f"would change {', '.join(changes)}"] if changes else []
    told += [f"drift in {', '.join(drift)}"] if drift else []
    return _check(
        "terraform", Verdict.FAIL, "; ".join(told) or f"exit code {exit_code}", "no changes, no drift"
    )


def hopeless(looks: Mapping[str, Sequence[Look]]) -> str:
    """The endpoint that has answered badly for so long that waiting is no use; empty while there is hope."""
    for name, seen in looks.items():
        tail = seen[-HOPELESS_LOOKS:]
        if len(tail) == HOPELESS_LOOKS and all(look.verdict is Verdict.FAIL for look in tail):
            return name
    return ""


def finding(checks: Sequence[Check], severity: Severity) -> Finding:
    """What detection found, in one sentence; `severity` is how bad it is where a check failed."""
    health = Verification.of(checks)
    failed = [check for check in checks if check.verdict is Verdict.FAIL]
    unclear = [check for check in checks if check.verdict is Verdict.INCONCLUSIVE]
    if failed:
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        summary = f"{failed[0].name} fails: {failed[0].reason}{more}"
        return Finding(health=health, severity=severity, summary=summary)
    if unclear or not checks:
        told = f"{unclear[0].name}: {unclear[0].reason}" if unclear else "nothing was looked at"
        return Finding(health=health, severity=Severity.MEDIUM, summary=f"nothing fails, but {told}")
    return Finding(
        health=health,
        severity=Severity.LOW,
        summary=f"all {len(checks)} checks pass: every health endpoint and alarm",
    )


def short(sha256: str) -> str:
    """The first digits of a hash, for people."""
    return f"sha256:{sha256[:12]}" if sha256 else "(none)"


def _check(name: str, verdict: Verdict, reason: str, wanted: str = "", seen: str = "") -> Check:
    return Check(name=name, verdict=verdict, reason=reason, wanted=wanted, seen=seen)
