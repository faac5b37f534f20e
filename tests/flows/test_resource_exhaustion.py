"""Containers that starve, on the practice stack."""

from __future__ import annotations

import pytest

from flows.resource_exhaustion import recover
from rules.resource_use import HostLook
from tasks import resource_limits
from tests.flows.broken_canary import steps
from tests.flows.broken_stack import BrokenStack

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_changed_limits_come_back_while_the_container_runs(broken_stack: BrokenStack) -> None:
    """The gateway has its CPU again and was neither made again nor restarted."""
    before = broken_stack.stack.container("kong").attrs["State"]["StartedAt"]
    broken_stack.break_it("starved-gateway")

    outcome = broken_stack.recovered(recover.fn)

    assert ("restore_limits", "limits of kong", "changed") in steps(outcome)
    assert broken_stack.stack.container("kong").attrs["State"]["StartedAt"] == before


def test_a_limit_where_there_was_none_takes_a_new_container(broken_stack: BrokenStack) -> None:
    """The engine takes no limit away while a container runs: only that one is made again."""
    api, app = broken_stack.stack.client.api, broken_stack.stack.container("app")
    url = f"{api.base_url}/v{api.api_version}/containers/{app.id}/update"
    api.post(url, json={"NanoCpus": 10_000_000}).raise_for_status()

    outcome = broken_stack.mended(recover.fn)

    changed = [(name, subject) for name, subject, result in steps(outcome) if result == "changed"]
    assert changed == [("recreate_service", "app"), ("start_service", "app")]


def test_a_host_without_room_is_named_and_nothing_is_changed(
    broken_stack: BrokenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed limits are left as they are while the host itself is the cause."""
    broken_stack.break_it("starved-gateway")
    monkeypatch.setattr("flows.resource_exhaustion.host_room", lambda _: HostLook(disk=0.01, memory=0.5))

    outcome = broken_stack.refused(recover.fn)

    assert "The host itself is the cause: only 1.0% of its disk is left" in outcome.reason


def test_the_host_is_really_looked_at(broken_stack: BrokenStack) -> None:
    """Disk and memory of the engine's own host are shares of what it has."""
    host = resource_limits.host_room.fn(broken_stack.environment)

    assert host.disk is not None
    assert host.memory is not None
    assert 0 < host.disk < 1
    assert 0 < host.memory < 1
