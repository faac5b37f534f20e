"""Looking at a service until it can be judged: once to detect, for a while to verify."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field

from blocks.environment import Environment
from rules import health
from rules.errors import StepFailed
from rules.health import Alarm, Look
from rules.outcomes import Check, Finding, Verdict, Verification
from rules.severity import Severity
from rules.terraform_plans import TerraformPlan
from tasks.kinds import pause, say, scaled
from tasks.service_looks import ServiceLook, look_at_service
from tasks.terraform_runs import drift_of

_LOOKS_TO_BE_SURE = 3
"""One bad answer may be a hiccup; without an alarm that agrees, so many looks decide."""

_BAD_LOOKS = 2
_ALARM_ALONE_SECONDS = 65.0
"""CloudWatch evaluates an alarm once a minute: one that nothing agrees with counts if it still fires after that."""
_ROUNDS_OF_OTHER_CODE = 3
"""So often other code must be seen before waiting for it ends: AWS answers from several places."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The state a service must be proven to be in: of no certain release where that is empty, but healthy.

    `code` maps functions to package SHA-256s.
    `commit` is the infrastructure code that Terraform must find nothing to change for; empty: Terraform's state is
    known to be behind and not asked. For so many `seconds` at least it is watched, and alarms must be clear.
    """

    release: str
    code: dict[str, str]
    commit: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class _Seen:
    """What was seen since watching began; moments are seconds."""

    since: float = field(default_factory=time.monotonic)
    endpoints: dict[str, list[Look]] = field(default_factory=dict)
    alarms: list[tuple[float, tuple[Alarm, ...]]] = field(default_factory=list)
    last: ServiceLook = field(default_factory=ServiceLook)

    def add(self, look: ServiceLook) -> None:
        for name, seen in look.endpoints.items():
            self.endpoints.setdefault(name, []).append(seen)
        if look.alarms is not None:
            self.alarms.append((time.monotonic(), look.alarms))
        self.last = look


def detect(environment: Environment, severity: Severity) -> Finding:
    """Whether a service is broken: its endpoints, its alarms of both types, its functions.

    A bad answer that no alarm agrees with is looked at again before it counts, and so is an alarm that no bad answer
    agrees with: it may have fired for a hiccup that is over, and going back to another release is no cure for that.
    """
    seen = _Seen()
    seen.add(look_at_service(environment))
    while _is_unsure(seen):
        pause(environment.service.health_interval_seconds)
        seen.add(look_at_service(environment))
    checks = [_endpoint_now(name, looks) for name, looks in seen.endpoints.items()]
    checks += _unread(seen.last)
    checks += health.judge_service(list(seen.last.code.values()))
    if seen.last.alarms is not None:
        checks += health.judge_alarms(environment.lambda_platform.alarm_prefix or "", seen.alarms[-1:], 0)
    return health.finding(checks, severity)


def _is_unsure(seen: _Seen) -> bool:
    alarms = seen.last.alarms or ()
    if health.stand_alone(alarms, seen.endpoints, list(seen.last.code.values())) and not seen.last.problems:
        return seen.alarms[-1][0] - seen.alarms[0][0] < scaled(_ALARM_ALONE_SECONDS)
    if any(alarm.state is health.AlarmState.ALARM for alarm in alarms):
        return False
    bad = [looks for looks in seen.endpoints.values() if any(look.verdict is Verdict.FAIL for look in looks)]
    if len(bad) > 1 or not bad:
        return False
    return (
        len(bad[0]) < _LOOKS_TO_BE_SURE and sum(look.verdict is Verdict.FAIL for look in bad[0]) < _BAD_LOOKS
    )


def _endpoint_now(name: str, looks: list[Look]) -> Check:
    bad = [look for look in looks if look.verdict is Verdict.FAIL]
    if len(looks) > 1 and 0 < len(bad) < _BAD_LOOKS:
        told = f"failed {len(bad)} of {len(looks)} looks: {bad[-1].reason}"
        return Check(name=f"health {name}", verdict=Verdict.INCONCLUSIVE, reason=told, wanted="healthy")
    return health.judge_endpoint(name, bad[-1:] or looks[-1:], passes=1)


def watch(environment: Environment, wanted: Wanted) -> Verification:
    """Watch a service until it is proven to be as wanted, or waiting is no use, or the time is over.

    Everything is read back from the thing itself: the code its callers get, its endpoints' answers, its alarms,
    and a new Terraform plan; nothing from the tool that made the change.
    """
    platform, seen = environment.lambda_platform, _Seen()
    give_up = time.monotonic() + scaled(platform.verify_timeout_seconds + wanted.seconds)
    others, told = 0, ""
    with ExitStack() as stack:
        terraform = _in_background(
            stack, lambda: drift_of(environment, wanted.release, wanted.commit), wanted
        )
        while True:
            seen.add(look_at_service(environment))
            verification = Verification.of(_judged(environment, wanted, seen, terraform))
            told = _tell(verification, told)
            others = others + 1 if _other_code(verification) else 0
            if verification.verdict is Verdict.PASS or time.monotonic() > give_up:
                return verification
            if others >= _ROUNDS_OF_OTHER_CODE or health.hopeless(seen.endpoints):
                return verification
            if terraform and terraform.done() and _hangs_on_terraform(verification):
                return verification
            pause(platform.health_interval_seconds)


def _judged(
    environment: Environment, wanted: Wanted, seen: _Seen, terraform: Future[TerraformPlan] | None
) -> list[Check]:
    platform = environment.lambda_platform
    checks = [
        health.judge_code(seen.last.code[function], sha256)
        for function, sha256 in wanted.code.items()
        if function in seen.last.code
    ]
    checks += [
        health.judge_endpoint(name, looks, platform.health_passes, wanted.release)
        for name, looks in seen.endpoints.items()
    ]
    checks += _unread(seen.last)
    if platform.alarm_prefix and seen.alarms:
        clear = max(platform.alarm_clear_seconds, wanted.seconds)
        checks += health.judge_alarms(platform.alarm_prefix, seen.alarms, scaled(clear))
    if wanted.seconds:
        checks.append(health.judge_watched(time.monotonic() - seen.since, scaled(wanted.seconds)))
    if wanted.release:
        checks.append(_terraform_check(wanted, terraform))
    return checks


def _terraform_check(wanted: Wanted, terraform: Future[TerraformPlan] | None) -> Check:
    if terraform is None:
        reason = f"not asked: its state is known to be behind until release {wanted.release} is applied again"
        return Check(name="terraform", verdict=Verdict.PASS, reason=reason, wanted="behind", seen="behind")
    if not terraform.done():
        return Check(name="terraform", verdict=Verdict.INCONCLUSIVE, reason="is still comparing")
    try:
        plan = terraform.result()
    except StepFailed as error:
        return Check(name="terraform", verdict=Verdict.INCONCLUSIVE, reason=error.message)
    return health.judge_terraform(plan.exit_code, [change.address for change in plan.changes], plan.drift)


def _in_background(
    stack: ExitStack, call: Callable[[], TerraformPlan], wanted: Wanted
) -> Future[TerraformPlan] | None:
    if not wanted.commit:
        return None
    pool = stack.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="terraform"))
    return pool.submit(copy_context().run, call)


def _unread(look: ServiceLook) -> list[Check]:
    return [
        Check(name=what, verdict=Verdict.INCONCLUSIVE, reason=f"could not be read: {why}")
        for what, why in sorted(look.problems.items())
    ]


def _other_code(verification: Verification) -> bool:
    return any(c.name.startswith("code ") and c.verdict is Verdict.FAIL for c in verification.checks)


def _hangs_on_terraform(verification: Verification) -> bool:
    """Whether waiting is no use: Terraform found something, or is all that is missing and cannot be asked."""
    missing = [check for check in verification.checks if check.verdict is not Verdict.PASS]
    terraform = [check for check in missing if check.name == "terraform"]
    return bool(terraform) and (terraform[0].verdict is Verdict.FAIL or len(missing) == 1)


def _tell(verification: Verification, before: str) -> str:
    """Say what is still missing, when that has changed."""
    missing = "; ".join(verification.reasons)
    kinds = "; ".join(
        f"{c.name} {c.verdict.value}" for c in verification.checks if c.verdict is not Verdict.PASS
    )
    if kinds != before:
        say(f"Still missing: {missing}" if missing else "Everything that was wanted is proven.")
    return kinds
