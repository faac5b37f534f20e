"""What is held of containers, by tables."""

from __future__ import annotations

import pytest

from rules.outcomes import Verdict
from rules.stacks import ContainerLook, StackLook, judge_services

RUNNING = ContainerLook(id="1", name="claude-redis", service="redis", image="sha256:1", state="running")


@pytest.mark.parametrize(
    ("change", "verdict", "told"),
    [
        ({}, Verdict.PASS, "running"),
        ({"health": "healthy"}, Verdict.PASS, "running, healthy"),
        ({"health": "starting"}, Verdict.INCONCLUSIVE, "starting"),
        ({"health": "unhealthy"}, Verdict.FAIL, "unhealthy"),
        ({"state": "exited", "exit_code": 137, "oom_killed": True}, Verdict.FAIL, "more memory"),
        ({"state": "restarting", "restarts": 7, "exit_code": 1}, Verdict.FAIL, "7 restarts"),
        ({"state": "created", "error": "port is already allocated"}, Verdict.FAIL, "already allocated"),
        ({"state": "created"}, Verdict.FAIL, "never started"),
        ({"state": "paused"}, Verdict.FAIL, "paused"),
    ],
)
def test_each_state_has_its_verdict(change: dict[str, object], verdict: Verdict, told: str) -> None:
    """Only what runs and is not ill passes, and the reason is the engine's own."""
    look = StackLook(project="claude", containers=(RUNNING.model_copy(update=change),))

    [check] = judge_services(look, ["redis"])

    assert check.verdict is verdict
    assert told in check.reason


def test_the_worst_container_of_a_service_decides() -> None:
    """One of three that restarts is a failure, and a service without a container too."""
    ill = RUNNING.model_copy(update={"state": "restarting"})
    look = StackLook(project="claude", containers=(RUNNING, ill, RUNNING))

    assert [check.verdict for check in judge_services(look, ["redis", "app"])] == [Verdict.FAIL, Verdict.FAIL]
