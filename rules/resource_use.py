"""Whether a stack's containers have what they need, and whether their limits or their host are to blame."""

from __future__ import annotations

from collections.abc import Sequence

from rules.outcomes import Check, Verdict
from rules.stack_states import ContainerState, StackState
from rules.values import Frozen

LIMITS = ("Memory", "MemorySwap", "MemoryReservation", "NanoCpus", "CpuQuota", "CpuPeriod", "CpuShares")
"""Limits that the engine changes while a container runs."""
FULL = 0.95
"""So much of its memory a container may use."""
THROTTLED = 0.5
"""In so many of the moments it wanted to run, it may have had to wait."""
SCARCE = 0.03
"""So much of its disk and its memory a host must have left."""


class UseLook(Frozen):
    """What one container uses."""

    service: str
    oom_killed: bool = False
    memory: float = 0.0
    """The share of the memory it may use; 0: no limit, or it does not run."""
    throttled: float = 0.0
    """The share of periods in which it had to wait for its CPU limit."""


class HostLook(Frozen):
    """What the engine's host has left, as shares."""

    disk: float | None = None
    memory: float | None = None
    """None: it is another machine, which cannot be looked at."""


def changed_limits(live: ContainerState, wanted: ContainerState) -> dict[str, tuple[int, int]]:
    """The limits that are not as wanted: now, wanted; 0 is none."""
    pairs = {name: (_number(live, name), _number(wanted, name)) for name in LIMITS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def can_be_updated(changed: dict[str, tuple[int, int]]) -> bool:
    """Whether the engine can do it while the container runs: it sets limits, and takes none away."""
    return all(wanted for _, wanted in changed.values())


def limited_otherwise(live: StackState, wanted: StackState) -> dict[str, dict[str, tuple[int, int]]]:
    """The services whose limits are not as in the backup, and those limits."""
    there = {each.name: each for each in live.containers}
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for each in wanted.containers:
        if each.name in there and (changed := changed_limits(there[each.name], each)):
            found.setdefault(each.service, {}).update(changed)
    return found


def judge_resources(
    uses: Sequence[UseLook], changed: dict[str, dict[str, tuple[int, int]]], host: HostLook
) -> list[Check]:
    """A check for the host, and for each service its limits, its memory and its share of the CPU."""
    checks = [judge_host(host)]
    for use in sorted(uses, key=lambda each: each.service):
        limits = changed.get(use.service, {})
        wrong = [
            f"{name} is {now or 'none'} instead of {was or 'none'}" for name, (now, was) in limits.items()
        ]
        checks.append(_check(f"limits of {use.service}", wrong, "as in the backup"))
        memory = ["it was killed because it used more than it may"] if use.oom_killed else []
        if use.memory > FULL:
            memory.append(f"uses {use.memory:.0%} of what it may")
        checks.append(_check(f"memory of {use.service}", memory, f"uses {use.memory:.0%} of what it may"))
        slow = [f"had to wait in {use.throttled:.0%} of its periods"] if use.throttled > THROTTLED else []
        checks.append(_check(f"CPU of {use.service}", slow, "is not held back"))
    return checks


def judge_host(host: HostLook) -> Check:
    """Whether the host itself is short of something."""
    left = {"disk": host.disk, "memory": host.memory}
    short = [
        f"only {each:.1%} of its {name} is left"
        for name, each in left.items()
        if each is not None and each < SCARCE
    ]
    told = "has disk and memory left" if None not in left.values() else "is another machine: not looked at"
    return _check("host", short, told)


def _check(name: str, wrong: Sequence[str], right: str) -> Check:
    return Check(name=name, verdict=Verdict.FAIL if wrong else Verdict.PASS, reason="; ".join(wrong) or right)


def _number(container: ContainerState, name: str) -> int:
    told = container.host.get(name)
    return told if isinstance(told, int) else 0
