"""What starves a container: its limits, what it needs, or its host."""

from __future__ import annotations

import pytest

from rules.outcomes import Verdict, Verification
from rules.resource_use import (
    HostLook,
    UseLook,
    can_be_updated,
    changed_limits,
    judge_host,
    judge_resources,
    limited_otherwise,
)
from rules.stack_states import ContainerState, StackState

ROOMY = HostLook(disk=0.5, memory=0.5)


def container(service: str = "app", **limits: int) -> ContainerState:
    """A container with these limits."""
    return ContainerState(
        id="c" * 64,
        name=f"x-{service}",
        service=service,
        image=f"sha256:{'1' * 64}",
        tag="app:1",
        running=True,
        config={},
        host=dict(limits),
        networks={},
        network_ids={},
        mounts=(),
    )


def stack(*containers: ContainerState) -> StackState:
    """A stack of these."""
    return StackState(engine_id="E", project="x", containers=containers, networks=(), volumes={})


def test_a_limit_that_is_not_told_is_none() -> None:
    """An engine that says nothing of a limit and one that says 0 mean the same."""
    assert changed_limits(container(Memory=0), container()) == {}
    assert changed_limits(container(Memory=5), container(Memory=9)) == {"Memory": (5, 9)}


@pytest.mark.parametrize(("wanted", "updated"), [({"NanoCpus": 100}, True), ({}, False)])
def test_only_a_limit_that_was_there_can_be_set_while_it_runs(wanted: dict[str, int], updated: bool) -> None:
    """The engine takes «no limit» for «leave it»."""
    assert can_be_updated(changed_limits(container(NanoCpus=1), container("app", **wanted))) is updated


def test_a_container_that_is_gone_has_no_limits_to_compare() -> None:
    """That is another scenario's."""
    wanted = stack(container("app", Memory=9), container("kong", Memory=9))

    assert limited_otherwise(stack(container("app", Memory=5)), wanted) == {"app": {"Memory": (5, 9)}}


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (UseLook(service="app"), ()),
        (UseLook(service="app", oom_killed=True), ("memory of app: it was killed because it used more than it may",)),
        (UseLook(service="app", memory=0.97), ("memory of app: uses 97% of what it may",)),
        (UseLook(service="app", throttled=0.8), ("CPU of app: had to wait in 80% of its periods",)),
    ],
)  # fmt: skip
def test_each_symptom_is_told(use: UseLook, told: tuple[str, ...]) -> None:
    """Killed, full, held back: each by its own check."""
    assert Verification.of(judge_resources([use], {}, ROOMY)).reasons == told


def test_a_changed_limit_is_a_finding_before_anything_is_killed() -> None:
    """It is told with what it is and what it was."""
    checks = judge_resources([UseLook(service="app")], {"app": {"NanoCpus": (1, 0)}}, ROOMY)

    assert Verification.of(checks).reasons == ("limits of app: NanoCpus is 1 instead of none",)


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        (ROOMY, Verdict.PASS),
        (HostLook(disk=0.01, memory=0.5), Verdict.FAIL),
        (HostLook(disk=0.5, memory=0.01), Verdict.FAIL),
        (HostLook(), Verdict.PASS),
    ],
)
def test_a_host_without_room_is_named(host: HostLook, verdict: Verdict) -> None:
    """One that cannot be looked at is not blamed, and said not to have been looked at."""
    check = judge_host(host)

    assert check.verdict is verdict
    assert ("not looked at" in check.reason) is (host.disk is None)
