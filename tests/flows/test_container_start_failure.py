"""Services that do not start, on the practice stack."""

from __future__ import annotations

from typing import Any

import pytest

from flows.container_start_failure import recover
from sandbox.stack import port_holder
from tests.flows.broken_canary import steps
from tests.flows.broken_stack import BrokenStack

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_an_image_without_a_name_and_a_mount_that_is_a_folder_are_cured(broken_stack: BrokenStack) -> None:
    """The image is named again by its id, its container made again, the file put back; both start."""
    broken_stack.break_it("lost-image", "spoiled-mount")

    outcome = broken_stack.recovered(recover.fn)

    assert {name for name, _, _ in steps(outcome)} == {
        "put_files_back", "name_image", "recreate_service", "start_service",
    }  # fmt: skip


def test_whoever_holds_the_port_is_named_and_left_alone(broken_stack: BrokenStack) -> None:
    """Nothing is done while the port is taken; once it is free, the same scenario starts the service."""
    broken_stack.break_it("taken-port")
    try:
        outcome = broken_stack.refused(recover.fn)
    finally:
        port_holder.end(broken_stack.stack.home)

    port = broken_stack.stack.addresses.front
    assert f"nginx: its port is taken: port {port} is held by the process python" in outcome.reason
    broken_stack.mended(recover.fn)


def test_a_container_that_holds_the_port_is_named(broken_stack: BrokenStack) -> None:
    """Somebody else's container is told by its name, and goes on running."""
    stack = broken_stack.stack
    front = stack.container("nginx")
    front.stop(timeout=2)
    api: Any = stack.client.api
    port = stack.addresses.front
    host = api.create_host_config(port_bindings={6379: ("127.0.0.1", port)})
    name = f"{stack.addresses.project}-squatter"
    network = stack.foreign.content["networks"]["inside"]["name"]
    endpoint = api.create_networking_config({network: api.create_endpoint_config()})
    squatter = api.create_container(
        "backstop-sandbox/redis:7", ["sleep", "600"], name=name, host_config=host, networking_config=endpoint,
        ports=[6379],
    )["Id"]  # fmt: skip
    try:
        api.start(squatter)
        outcome = broken_stack.refused(recover.fn)
        assert api.inspect_container(squatter)["State"]["Running"]
    finally:
        api.remove_container(squatter, force=True, v=True)

    assert f"port {port} is held by the container {name}" in outcome.reason
