"""One stack stops, and only that one; it starts again with all it had."""

from __future__ import annotations

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from flows.emergency_stop import recover
from rules.outcomes import Ending
from sandbox.stack import composing
from sandbox.stack.stack import DockerStack
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every pause."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()


def states(stack: DockerStack, project: str) -> dict[str, tuple[str, str]]:
    """The id and state of each container of a project."""
    return {
        str(each.name): (str(each.id), each.status) for each in composing.containers(stack.client, project)
    }


def test_the_runbooks_filter_hits_the_foreign_stack(docker_stack: DockerStack) -> None:
    """`docker ps -q --filter name=claude-` lists somebody else's containers too; the project's label does not."""
    docker_stack.up(foreign=True)
    ours, theirs = docker_stack.addresses.project, docker_stack.foreign.project
    by_name = docker_stack.client.containers.list(filters={"name": ours})

    assert {each.labels["com.docker.compose.project"] for each in by_name} == {ours, theirs}
    assert not states(docker_stack, ours).keys() & states(docker_stack, theirs).keys()


def test_a_stack_stops_and_starts_again(masking: Environment, fresh_stack: DockerStack) -> None:
    """Every container of it, and no other; nothing is removed, every key is there again, and people are called."""
    fresh_stack.fill(100)
    project, foreign = fresh_stack.addresses.project, fresh_stack.foreign.project
    before, theirs = states(fresh_stack, project), states(fresh_stack, foreign)

    rehearsed = recover.fn(masking, rehearse=True)
    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert states(fresh_stack, project) == before
    stopped = recover.fn(masking)

    assert stopped.ending is Ending.NOT_RECOVERED
    assert "done and verified" in stopped.reason
    now = states(fresh_stack, project)
    assert {name: each[0] for name, each in now.items()} == {name: each[0] for name, each in before.items()}
    assert {each[1] for each in now.values()} == {"exited"}
    assert states(fresh_stack, foreign) == theirs
    assert recover.fn(masking).ending is Ending.NOTHING_TO_DO

    started = recover.fn(masking, start_again=True)

    assert started.ending is Ending.RECOVERED, started.reason
    assert states(fresh_stack, project) == before
    assert fresh_stack.redis().dbsize() >= 100
    order = [each[1] for each in steps(started)]
    assert (sorted(order[:2]), order[2:]) == (["app", "redis"], ["kong", "nginx"])
