"""Containers of a stack on a real engine: this project's, and in the state they are really in."""

from __future__ import annotations

import pytest

from blocks.docker_host import DockerHost
from blocks.environment import Environment
from rules.errors import RecoveryRefused, TransientFailure
from rules.outcomes import Verdict
from rules.stacks import judge_services
from sandbox.stack.stack import DockerStack, wait_for
from tasks.containers import engine_identity, look_at_stack, recent_log

pytestmark = [pytest.mark.real, pytest.mark.slow]


def verdicts(environment: Environment) -> dict[str, tuple[Verdict, str]]:
    """Each service's verdict and its reason."""
    checks = judge_services(look_at_stack.fn(environment), environment.docker_stack.services)
    return {check.name.removeprefix("container "): (check.verdict, check.reason) for check in checks}


def test_only_this_projects_containers_are_seen(masking: Environment, fresh_stack: DockerStack) -> None:
    """Somebody else's stack, whose names contain this one's, is not looked at."""
    look = look_at_stack.fn(masking)

    assert {each.service for each in look.containers} == {"redis", "app", "kong", "nginx"}
    assert len(look.containers) == 4
    assert fresh_stack.container("redis", f"{fresh_stack.addresses.project}-billing").status == "running"
    wait_for(lambda: all(v is Verdict.PASS for v, _ in verdicts(masking).values()), "all healthy", 30)


def test_each_way_to_be_down_is_told_apart(masking: Environment, fresh_stack: DockerStack) -> None:
    """Stopped, removed, and restarting for ever: each is a failure with its own reason."""
    fresh_stack.container("nginx").remove(force=True)
    fresh_stack.container("app").stop(timeout=3)
    (fresh_stack.home / "redis.conf").write_text("no-such-setting yes\n")
    fresh_stack.container("redis").restart(timeout=3)
    wait_for(lambda: "restarts again" in verdicts(masking)["redis"][1], "redis restarts for ever", 20)

    seen = verdicts(masking)

    assert {seen["nginx"][0], seen["app"][0]} == {Verdict.FAIL}
    assert seen["redis"][0] is not Verdict.PASS  # between two restarts it is starting
    assert seen["nginx"][1] == "there is no such container"
    assert seen["app"][1].startswith("exited with exit code")
    assert any("no-such-setting" in line for line in recent_log.fn(masking, "redis"))


def test_another_engine_is_refused_and_a_dead_one_is_transient(masking: Environment) -> None:
    """Who answers is asked before anything else; silence may pass."""
    from flows._place import refuse_other_place

    ours = engine_identity.fn(masking).id
    there = elsewhere(masking, DockerHost(address=masking.docker_stack.host.address, engine_id=ours))
    other = elsewhere(masking, DockerHost(address=masking.docker_stack.host.address, engine_id="ANOTHER1"))
    nobody = elsewhere(masking, DockerHost(address="unix:///nowhere/docker.sock"))

    refuse_other_place(there)
    with pytest.raises(RecoveryRefused, match="engine that answers is"):
        refuse_other_place(other)
    with pytest.raises(TransientFailure, match="reach the Docker engine"):
        engine_identity.fn(nobody)


def elsewhere(environment: Environment, host: DockerHost) -> Environment:
    """The environment on another engine."""
    platform = environment.docker_stack.model_copy(update={"host": host})
    return environment.model_copy(update={"platform": platform})
