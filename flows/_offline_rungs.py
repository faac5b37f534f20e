"""The last resort of a service that cannot be mended, and the way back from it: nobody is served any more.

Runbook source: 001, scenario 6, «Escalation».
"""

from __future__ import annotations

from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from flows._watching import Wanted, watch
from ledger import plans
from ledger.attempts import acted_on
from ledger.cases import current_case
from rules.errors import NoWayBack, RecoveryRefused
from rules.offline import CLOSED, judge_closed, read, spelt, told
from rules.outcomes import Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness
from tasks.function_capacity import all_capacity, give_capacity, take_offline
from tasks.kinds import in_parallel
from tasks.service_looks import look_at_service

OFFLINE = "offline"


def offline_rung(scenario: str, environment: Environment) -> Rung:
    """Let no function take a call, until a person ends it. It mends nothing: a person is paged all the same."""
    return Rung(
        name="offline",
        decide=lambda _finding: _decide_offline(scenario, environment),
        act=partial(_act_offline, environment),
        verify=partial(_verify_offline, environment),
        holds=True,
    )


def reopen_rung(scenario: str, environment: Environment, *, asked: bool) -> Rung:
    """Give the functions the capacity back that an earlier incident took."""
    return Rung(
        name="reopen",
        decide=lambda _finding: _decide_reopen(scenario, environment, asked=asked),
        act=partial(_act_reopen, environment),
        verify=partial(_verify_reopen, environment),
    )


def _decide_offline(scenario: str, environment: Environment) -> Plan:
    capacity = all_capacity(environment)
    open_now = {name: reserved for name, reserved in capacity.items() if reserved != CLOSED}
    if not open_now:
        raise NoWayBack(f"{environment.name} is offline already.")
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="offline",
        title=f"Take {environment.name} offline",
        changes=_changes(open_now, dict.fromkeys(open_now, CLOSED)),
        expected=("no function takes a call", "no health endpoint answers healthy"),
        destructiveness=Destructiveness.DESTRUCTIVE,
        facts={name: spelt(reserved) for name, reserved in open_now.items()},
        reasons=(
            "neither Terraform nor the functions' code brought it back, and broken code may damage data",
            "nobody is served until somebody starts this flow again with «reopen»",
            "an apply of Terraform gives functions without reserved concurrency their calls back too",
        ),
    )


def _act_offline(environment: Environment, plan: Plan) -> None:
    in_parallel([partial(take_offline, environment, function) for function in plan.facts])


def _verify_offline(environment: Environment, _plan: Plan) -> Verification:
    look = look_at_service(environment)
    return Verification.of(judge_closed(all_capacity(environment), look.endpoints))


def _decide_reopen(scenario: str, environment: Environment, *, asked: bool) -> Plan:
    closed = [name for name, reserved in all_capacity(environment).items() if reserved == CLOSED]
    case = current_case.get()
    own = plans.pinned(case) if case else None
    if not closed:
        raise NoWayBack("No function was taken offline.")
    if own and own.rung != "reopen":
        raise NoWayBack("This incident has gone past that: it takes calls away, and gives them back, itself.")
    if not asked:
        raise RecoveryRefused(
            f"{environment.name} is offline: {', '.join(closed)} take no calls.",
            hint="Make sure that the cause is gone, then start again with «reopen».",
        )
    kept: dict[str, str] = {}
    for earlier in reversed(acted_on(case, scenario, OFFLINE) if case else []):
        kept |= earlier.facts
    before = {name: read(kept[name]) for name in closed if name in kept}
    unknown = [name for name in closed if name not in before]
    if unknown:
        raise RecoveryRefused(
            f"Nobody knows how many calls {', '.join(unknown)} took before.",
            hint="No incident of ours took them offline. Set their reserved concurrency by hand.",
        )
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="reopen",
        title=f"Put {environment.name} back online",
        changes=_changes(dict.fromkeys(before, CLOSED), before),
        expected=("every health endpoint answers healthy", "alarms are clear"),
        facts={name: spelt(reserved) for name, reserved in before.items()},
        reasons=("an earlier incident took these calls away, and wrote down how many there were",),
    )


def _act_reopen(environment: Environment, plan: Plan) -> None:
    before = {name: read(text) for name, text in plan.facts.items()}
    in_parallel([partial(give_capacity, environment, name, reserved) for name, reserved in before.items()])


def _verify_reopen(environment: Environment, _plan: Plan) -> Verification:
    return watch(environment, Wanted("", {}))


def _changes(before: dict[str, int | None], after: dict[str, int | None]) -> tuple[Change, ...]:
    return tuple(
        Change(subject=name, before=told(reserved), after=told(after[name]), kind="capacity")
        for name, reserved in before.items()
    )
