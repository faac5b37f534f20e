"""Whether a Docker stack serves: its containers, Redis, the gateway, the way through, the health endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from blocks.environment import Environment
from rules import health
from rules.gateways import judge_gateway
from rules.health import Look
from rules.outcomes import Check, Finding, Verdict, Verification
from rules.redis_health import judge_redis
from rules.severity import Severity
from rules.stacks import judge_services
from tasks.endpoints import ask_health
from tasks.gateways import look_at_gateway, mask_and_unmask
from tasks.kinds import in_parallel, pause, say, scaled
from tasks.redis_data import look_at_redis, redis_canary
from tasks.stack_services import look_closely


def detect(environment: Environment, severity: Severity) -> Finding:
    """Whether the stack is broken. What fails is looked at twice: one bad answer may be a hiccup."""
    checks = _judged(environment, {}, passes=1)
    if Verification.of(checks).verdict is not Verdict.PASS:
        pause(environment.docker_stack.health_interval_seconds)
        checks = _judged(environment, {}, passes=1)
    return health.finding(checks, severity)


def watch(environment: Environment, also: Callable[[], Sequence[Check]] = tuple) -> Verification:
    """Look until everything passes, or the time is over; `also` gives further checks at each look."""
    seen, passes = dict[str, list[Look]](), environment.docker_stack.health_passes
    return until_proven(environment, lambda: [*_judged(environment, seen, passes), *also()])


def until_proven(environment: Environment, look: Callable[[], Sequence[Check]]) -> Verification:
    """Look again and again until every check passes, or the stack's time for that is over; say what is missing."""
    stack, missing = environment.docker_stack, ""
    give_up = time.monotonic() + scaled(stack.verify_timeout_seconds)
    while True:
        found = Verification.of(look())
        told = "; ".join(found.reasons)
        if told != missing:
            say(f"Still missing: {told}" if told else "Everything that was wanted is proven.")
        missing = told
        if found.verdict is Verdict.PASS or time.monotonic() > give_up:
            return found
        pause(stack.health_interval_seconds)


def _judged(environment: Environment, seen: dict[str, list[Look]], passes: int) -> list[Check]:
    """Every check of now; `seen` collects what the health endpoints answered."""
    stack = environment.docker_stack

    def services() -> list[Check]:
        return judge_services(look_closely(environment), stack.services)

    def redis() -> list[Check]:
        look = look_at_redis(environment)
        return judge_redis(look, redis_canary(environment) if look.answers and not look.loading else None)

    def gateway() -> list[Check]:
        return judge_gateway(look_at_gateway(environment), mask_and_unmask(environment))

    def endpoint(name: str) -> list[Check]:
        looks = seen.setdefault(name, [])
        looks.append(ask_health(environment, name))
        return [health.judge_endpoint(name, looks, passes=passes)]

    looks: list[Callable[[], list[Check]]] = [
        services,
        redis,
        gateway,
        *(partial(endpoint, each.name) for each in stack.health),
    ]
    return [check for checks in in_parallel(looks) for check in checks]
