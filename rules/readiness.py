"""Would a recovery work right now? What each scenario needs, and what was seen of it. Unknown is never ready.

Runbook sources: 001 «Prerequisites» and «Rollback Checklist», 004 «Pre-Rollback Checklist».
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from rules.approvals import Policy
from rules.retention import Proof
from rules.severity import Tier
from rules.stack_restore_points import Candidate
from rules.values import Frozen

NO_SPACE = 100_000_000
"""Bytes: with less the ledger may soon be full, which stops every recovery."""

EXPIRY_AHEAD = timedelta(hours=1)
"""Credentials that end sooner may end during a recovery."""

BACKUP_TAKES = timedelta(minutes=1)
"""A backup that is due is not late while it is made."""


class State(StrEnum):
    """Whether something would work. Unknown: it could not be looked at."""

    READY = "ready"
    NOT_READY = "not ready"
    UNKNOWN = "unknown"


class Seen(Frozen):
    """One precondition: how it is, what was seen, and what to do about it."""

    state: State
    said: str
    todo: str = ""


class Needs(Frozen):
    """What a scenario needs beside what each does: the kind of platform, and preconditions by name."""

    platforms: frozenset[str]
    preconditions: frozenset[str] = frozenset()


class Standing(Frozen):
    """Whether one scenario would work in one environment, and why not."""

    environment: str
    scenario: str
    state: State
    reasons: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


EVERYWHERE = frozenset({"ledger", "disk", "stop lever", "channels", "approvers"})
"""What every scenario needs."""

SAID_ONLY = frozenset({"schema"})
"""What is told and decides nothing: no recovery here changes a schema, and Backstop knows none."""

_LAMBDA, _STACK, _KIT = frozenset({"lambda"}), frozenset({"docker_stack"}), frozenset({"test_kit"})
_RELEASE = frozenset(
    {"credentials", "permissions", "alarms", "target release", "terraform", "state", "state lock"}
)
_TERRAFORM = frozenset({"credentials", "permissions", "terraform", "state", "state lock"})
_RESTORE = frozenset({"engine", "backup"})

NEEDS: Mapping[str, Needs] = {
    "canary-failure": Needs(platforms=_LAMBDA, preconditions=_RELEASE),
    "production-deploy-failure": Needs(platforms=_LAMBDA, preconditions=_RELEASE),
    "rollback-failure": Needs(platforms=_LAMBDA, preconditions=_RELEASE),
    "preprod-terraform-failure": Needs(platforms=_LAMBDA, preconditions=_TERRAFORM),
    "preprod-test-failure": Needs(platforms=_LAMBDA, preconditions=frozenset({"credentials", "repository"})),
    "dev-test-failure": Needs(platforms=_LAMBDA, preconditions=frozenset({"repository"})),
    "stuck-workflow": Needs(platforms=_LAMBDA, preconditions=frozenset({"repository"})),
    "stale-terraform-lock": Needs(
        platforms=_LAMBDA, preconditions=frozenset({"credentials", "terraform", "state"})
    ),
    "stuck-alarm": Needs(platforms=_LAMBDA, preconditions=frozenset({"credentials", "alarms"})),
    "unreadable-secret": Needs(platforms=_LAMBDA, preconditions=frozenset({"credentials"})),
    "stack-rollback": Needs(platforms=_STACK, preconditions=_RESTORE),
    "redis-corruption": Needs(platforms=_STACK, preconditions=_RESTORE),
    "gateway-configuration-error": Needs(platforms=_STACK, preconditions=_RESTORE),
    "network-failure": Needs(platforms=_STACK, preconditions=_RESTORE),
    "resource-exhaustion": Needs(platforms=_STACK, preconditions=_RESTORE),
    "container-start-failure": Needs(platforms=_STACK, preconditions=_RESTORE),
    "emergency-stop": Needs(platforms=_STACK, preconditions=frozenset({"engine"})),
    "hung-process": Needs(platforms=_KIT, preconditions=frozenset({"kit"})),
    "exposed-credentials": Needs(platforms=_KIT, preconditions=frozenset({"credentials", "kit"})),
    "exposed-personal-data": Needs(platforms=_KIT, preconditions=frozenset({"kit"})),
    "test-run-failure": Needs(platforms=_KIT, preconditions=frozenset({"kit"})),
    "production-misfire": Needs(platforms=_KIT, preconditions=frozenset({"credentials", "kit"})),
    "log-throttling": Needs(platforms=_KIT, preconditions=frozenset({"credentials", "kit"})),
    "wrong-queue-publish": Needs(platforms=_KIT, preconditions=frozenset({"credentials", "kit", "queue"})),
}

CHANGES: Mapping[str, tuple[str, ...]] = {
    "lambda": (
        "lambda:UpdateFunctionCode",
        "lambda:UpdateAlias",
        "lambda:PublishVersion",
        "s3:GetObject",
        "cloudwatch:DescribeAlarms",
    ),
}
"""The permissions without which nothing is recovered on a platform; all of them are in docs/permissions.md."""


def scenarios_of(platform: str, *, with_repository: bool) -> list[str]:
    """The scenarios that can happen on a platform; those about workflows only where there is a repository."""
    return [
        scenario
        for scenario, needs in NEEDS.items()
        if platform in needs.platforms and (with_repository or "repository" not in needs.preconditions)
    ]


def wanted(scenarios: Iterable[str]) -> frozenset[str]:
    """Every precondition that any of these scenarios needs."""
    return EVERYWHERE.union(*(NEEDS[scenario].preconditions for scenario in scenarios))


def judge(environment: str, scenario: str, seen: Mapping[str, Seen]) -> Standing:
    """Whether a scenario would work: what was not looked at is unknown, and nothing unknown is ready."""
    missing = Seen(state=State.UNKNOWN, said="not looked at")
    found = {name: seen.get(name, missing) for name in sorted(EVERYWHERE | NEEDS[scenario].preconditions)}
    states = {each.state for each in found.values()}
    state = next((one for one in (State.NOT_READY, State.UNKNOWN) if one in states), State.READY)
    faults = {name: each for name, each in found.items() if each.state is not State.READY}
    return Standing(
        environment=environment,
        scenario=scenario,
        state=state,
        reasons=tuple(f"{name}: {each.said}" for name, each in faults.items()),
        todo=tuple(dict.fromkeys(each.todo for each in faults.values() if each.todo)),
    )


def judge_space(free: int) -> Seen:
    """Whether there is room for the ledger and Terraform's working directories."""
    said = f"{free / 1e9:.1f} GB free"
    if free < NO_SPACE:
        return Seen(state=State.NOT_READY, said=said, todo="Make room in BACKSTOP_HOME.")
    return Seen(state=State.READY, said=said)


def judge_backups(newest_first: Sequence[Candidate], objective_seconds: float, now: datetime) -> Seen:
    """Whether there is something proven to return to, and the newest backup loses no more than was promised."""
    if not newest_first:
        return Seen(state=State.NOT_READY, said="there is no backup", todo="Make one: backstop backup.")
    newest = newest_first[0]
    age = now - newest.taken_at
    told = f"the newest, {newest.backup}, is {age.total_seconds():.0f} s old, the objective {objective_seconds:.0f} s"
    if newest.proof is Proof.FAILED:
        return Seen(
            state=State.NOT_READY,
            said=f"the newest, {newest.backup}, brings nothing back",
            todo="Look at the backup store, and make another: backstop backup.",
        )
    if age > timedelta(seconds=objective_seconds) + BACKUP_TAKES:
        return Seen(state=State.NOT_READY, said=told, todo="See why no backup is made: the runs of `backup`.")
    if not any(each.proof is Proof.PROVEN for each in newest_first):
        return Seen(
            state=State.NOT_READY, said="no backup is proven", todo="Prove one: backstop backup --test."
        )
    return Seen(state=State.READY, said=told)


def judge_channels(answers: Mapping[str, str | None], tier: Tier) -> Seen:
    """Whether people can be told. By channel: empty for one that answers, None where that cannot be told."""
    if not answers:
        if tier in (Tier.PRODUCTION, Tier.PREPROD):
            todo = "Give the environment an `escalation` with notices and levels."
            return Seen(state=State.NOT_READY, said="there are none: nobody would hear of it", todo=todo)
        return Seen(state=State.READY, said="there are none, and none are needed here")
    broken = [f"{channel} {why}" for channel, why in answers.items() if why]
    if broken:
        return Seen(
            state=State.NOT_READY, said="; ".join(broken), todo="Mend the channel, or name another one."
        )
    if unknown := [channel for channel, why in answers.items() if why is None]:
        return Seen(state=State.UNKNOWN, said=f"{', '.join(unknown)} cannot be looked at without a message")
    return Seen(state=State.READY, said=f"{len(answers)} answer")


def judge_permissions(allowed: Mapping[str, bool] | None) -> Seen:
    """Whether the role may do what a recovery does. None: it could not be simulated, and reading works."""
    if allowed is None:
        return Seen(state=State.READY, said="reading works; acting could not be simulated")
    if refused := sorted(name for name, may in allowed.items() if not may):
        return Seen(
            state=State.NOT_READY,
            said=f"not allowed: {', '.join(refused)}",
            todo="Give the role the policy of docs/permissions.md.",
        )
    return Seen(state=State.READY, said=f"{len(allowed)} permissions are granted")


def judge_expiry(whose: str, ends: datetime | None, now: datetime) -> Seen:
    """Whether credentials last. `ends` is None for those that are renewed by themselves or do not end."""
    if ends is not None and ends - now < EXPIRY_AHEAD:
        return Seen(
            state=State.NOT_READY,
            said=f"those of {whose} end at {ends:%Y-%m-%d %H:%M} UTC",
            todo="Renew them, or let Backstop assume a role.",
        )
    return Seen(state=State.READY, said=whose + (f", until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""))


def judge_approvers(asked: int, waived_up_to: Policy | None) -> Seen:
    """Whether somebody hears of a plan that waits for approval. `asked`: the channels that are told of one."""
    if asked:
        return Seen(state=State.READY, said=f"{asked} channels are asked")
    if waived_up_to is Policy.TWO_APPROVERS:
        return Seen(state=State.READY, said="nobody is asked here, but for what destroys data")
    return Seen(
        state=State.NOT_READY,
        said="a plan that waits for approval reaches nobody",
        todo="Give the environment `escalation` notices, or a first level with channels.",
    )
