"""A stack whose services do not find each other, on the practice stack."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from flows.network_failure import recover
from sandbox.stack import engine
from tests.flows.broken_canary import steps
from tests.flows.broken_stack import BrokenStack

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_a_lost_network_comes_back_with_everybody_in_it(broken_stack: BrokenStack) -> None:
    """It has the same addresses and labels, everybody has their names in it, and nothing was made again."""
    made = {each.id for each in broken_stack.stack.client.containers.list()}
    broken_stack.break_it("lost-network")

    broken_stack.recovered(recover.fn)

    assert {each.id for each in broken_stack.stack.client.containers.list()} == made
    assert broken_stack.stack.ask("i-0abc1234def567890") == "i-0abc1234def567890"


def test_only_who_left_comes_back(broken_stack: BrokenStack) -> None:
    """One service joins again; those that knew its old address are restarted, Redis is not."""
    broken_stack.break_it("disconnected-app")

    outcome = broken_stack.mended(recover.fn)

    touched = {subject for _, subject, result in steps(outcome) if result == "changed"}
    network = f"{broken_stack.stack.addresses.project}-enterprise"
    assert touched == {f"app in {network}", "kong", "nginx"}


def test_the_runbooks_prune_takes_other_peoples_networks(private_engine_folder: Path) -> None:
    """`docker network prune -f` removes whatever has no container at the moment, whoever's it is."""
    own = engine.start(private_engine_folder)
    try:
        client = docker.DockerClient(own.address, version="auto")
        client.networks.create("billing", labels={"com.docker.compose.project": "billing"})

        client.networks.prune()

        assert client.networks.list(names=["billing"]) == []
        client.close()
    finally:
        own.stop()
