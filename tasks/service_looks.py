"""One look at everything that says how a service is: endpoints, alarms and the code its callers get."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.health import Alarm, Look, RunningCode
from rules.values import Frozen
from tasks.alarms import alarm_states
from tasks.endpoints import ask_health
from tasks.kinds import in_parallel, probe
from tasks.lambdas import live_code

T = TypeVar("T")


class ServiceLook(Frozen):
    """What was seen at one moment. What could not be read is missing, and `problems` says why."""

    endpoints: dict[str, Look] = {}
    alarms: tuple[Alarm, ...] | None = None
    code: dict[str, RunningCode] = {}
    problems: dict[str, str] = {}
    """Why something could not be read: «alarms», or «code of <function>»."""


@probe(retries=0)
def look_at_service(environment: Environment) -> ServiceLook:
    """Look at every health endpoint, alarm and function at the same time.

    During an outage parts of AWS may be away: what can be seen is reported, the rest is named.

    Permissions: lambda:GetAlias, lambda:GetFunctionConfiguration, cloudwatch:DescribeAlarms
    """
    platform = environment.lambda_platform
    endpoints: dict[str, Look] = {}
    alarms: list[tuple[Alarm, ...]] = []
    code: dict[str, RunningCode] = {}
    problems: dict[str, str] = {}

    def attempt(what: str, read: Callable[[], T], keep: Callable[[T], object]) -> None:
        try:
            keep(read())
        except StepFailed as error:
            problems[what] = error.message

    calls: list[Callable[[], None]] = []
    for endpoint in platform.health:
        keep_look = partial(endpoints.__setitem__, endpoint.name)
        calls.append(
            partial(attempt, endpoint.name, partial(ask_health.fn, environment, endpoint.name), keep_look)
        )
    for function in platform.functions:
        keep_code = partial(code.__setitem__, function.name)
        reading = partial(live_code.fn, environment, function.name)
        calls.append(partial(attempt, f"code of {function.name}", reading, keep_code))
    if platform.alarm_prefix:
        reading_alarms = partial(alarm_states.fn, environment)
        calls.append(partial(attempt, "alarms", reading_alarms, lambda seen: alarms.append(tuple(seen))))
    in_parallel(calls)
    # In the platform's order, whoever answered first: what is decided from it must not depend on that.
    return ServiceLook(
        endpoints={e.name: endpoints[e.name] for e in platform.health if e.name in endpoints},
        alarms=alarms[0] if alarms else None,
        code={f.name: code[f.name] for f in platform.functions if f.name in code},
        problems=dict(sorted(problems.items())),
    )
