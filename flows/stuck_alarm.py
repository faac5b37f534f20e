"""Stuck alarm: an alarm stays in ALARM although what it warned of is over, or it is OK and tells nobody."""

from __future__ import annotations

from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.alarm_evidence import Cause, Diagnosis, diagnose, judge, stays_ok
from rules.errors import NoWayBack, RecoveryRefused
from rules.health import AlarmState, judge_endpoint
from rules.names import AlarmName
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from tasks.alarms import AlarmEvidence, alarm_evidence, enable_alarm_actions, set_alarm_ok
from tasks.kinds import pause, scaled
from tasks.service_looks import look_at_service

SCENARIO = "stuck-alarm"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
STATE, ACTIONS = "alarm state", "alarm actions"
ALARM, REASON, PERIOD = "alarm", "reason", "period"
"""Names of the facts in the plan."""


@flow(name="stuck-alarm", flow_run_name="stuck-alarm in {environment.name}: {alarm}")
def recover(
    environment: Environment,
    alarm: AlarmName,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Set an alarm to OK that nothing else will clear, and let it tell people again.

    1. Look: its definition, how long it has been so, what its metric really said, whether its actions are on.
    2. Only where the evidence is good, and nothing will evaluate it anew, it may be set; a reason is asked for.
    3. Set it to OK with that reason, switch its actions on.
    4. Prove it one evaluation period later: CloudWatch may have set it back.

    Source: runbook 001, «CloudWatch Alarms Won't Clear».
    Budget: 10 minutes.

    Args:
        environment: Where the alarm is.
        alarm: Its full name.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why; the reason is written into the alarm's history.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, alarm),
        ladder=[
            Rung(
                name="set-ok",
                decide=lambda _finding: _decide(environment, alarm, request.reason, rehearse=rehearse),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"alarm": alarm},
    )


def _detect(environment: Environment, alarm: str) -> Finding:
    seen = alarm_evidence(environment, alarm)
    found = _diagnosed(seen)
    return Finding(
        health=Verification.of([judge(seen.alarm, found)]),
        severity=PROMISE.severity,
        summary=f"alarm {alarm} is {seen.alarm.state.value}: {found.reason}",
    )


def _diagnosed(seen: AlarmEvidence) -> Diagnosis:
    return diagnose(seen.alarm, seen.points, seen.at)


def _decide(environment: Environment, alarm: str, reason: str, *, rehearse: bool) -> Plan:
    seen = alarm_evidence(environment, alarm)
    found = _diagnosed(seen)
    if found.cause not in (Cause.STUCK, Cause.SILENT):
        raise NoWayBack(f"The alarm {alarm} is left as it is: {found.reason}.")
    ill = [check.reason for check in _endpoints(environment) if check.verdict is not Verdict.PASS]
    if ill and found.cause is Cause.STUCK:
        raise NoWayBack(
            f"The alarm {alarm} is left as it is: the service is not proven healthy: {ill[0]}.",
            hint="Recover the service first.",
        )
    unsaid = not reason and found.cause is Cause.STUCK
    if unsaid and not rehearse:
        raise RecoveryRefused(
            f"The alarm {alarm} is set to OK only with a reason.",
            hint="Say why it is right: `--reason «…»`, or the reason in the form. It goes into its history.",
        )
    changes = []
    if seen.alarm.state is not AlarmState.OK:
        changes.append(Change(subject=alarm, before=seen.alarm.state.value, after="OK", kind=STATE))
    if not seen.alarm.actions_enabled:
        changes.append(Change(subject=alarm, before="disabled", after="enabled", kind=ACTIONS))
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="set-ok",
        title=f"Set the alarm {alarm} to OK" if found.cause is Cause.STUCK else f"Let the alarm {alarm} act",
        target=alarm,
        changes=tuple(changes),
        expected=(f"{alarm} is still OK, and acts, after {seen.alarm.period_seconds} s",),
        facts={ALARM: alarm, REASON: reason, PERIOD: str(seen.alarm.period_seconds)},
        reasons=(found.reason, *(("no reason was given: without one it is refused",) if unsaid else ())),
    )


def _act(environment: Environment, plan: Plan) -> None:
    kinds = {change.kind for change in plan.changes}
    if ACTIONS in kinds:
        enable_alarm_actions(environment, plan.facts[ALARM])
    if STATE in kinds:
        set_alarm_ok(environment, plan.facts[ALARM], plan.facts[REASON])


def _verify(environment: Environment, plan: Plan) -> Verification:
    seconds = float(plan.facts[PERIOD])
    pause(seconds)
    now = alarm_evidence(environment, plan.facts[ALARM]).alarm
    return Verification.of([stays_ok(now, scaled(seconds)), *_endpoints(environment)])


def _endpoints(environment: Environment) -> list[Check]:
    looks = look_at_service(environment).endpoints
    return [judge_endpoint(name, [look], passes=1) for name, look in looks.items()]
