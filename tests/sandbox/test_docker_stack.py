"""The practice Docker stack does what the real one does, and is the same whoever started it."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import docker
import pytest
from redis import ResponseError

from sandbox.stack import composing, engine, images
from sandbox.stack.compose_file import LABEL
from sandbox.stack.packages import ground, packed
from sandbox.stack.stack import DockerStack, wait_for
from tests.compose_v2 import compose

pytestmark = [pytest.mark.real, pytest.mark.slow]
INSTANCE = "i-0abc1234def567890"


def status(port: int, path: str) -> int:
    """The HTTP status of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_identifiers_are_masked_on_the_way_in_and_come_back(fresh_stack: DockerStack) -> None:
    """The app sees masks only, the caller its own identifiers, and Redis holds the mapping."""
    assert fresh_stack.ask(f"stop {INSTANCE}") == f"stop {INSTANCE}"

    assert fresh_stack.seen_by_app() == "stop AWS_EC2_000001"
    assert fresh_stack.redis().get(f"aws_masker:rev:{INSTANCE}") == "AWS_EC2_000001"
    assert fresh_stack.ask("and AWS_EC2_000001?") == f"and {INSTANCE}?"


def test_without_redis_the_gateway_refuses(fresh_stack: DockerStack) -> None:
    """Nothing goes through unmasked when the mappings cannot be read."""
    fresh_stack.container("redis").stop(timeout=3)

    with pytest.raises(urllib.error.HTTPError) as refused:
        fresh_stack.ask(f"stop {INSTANCE}")

    assert refused.value.code == 502


def test_redis_is_as_hardened_as_the_real_one(fresh_stack: DockerStack) -> None:
    """The commands that most restores rely on are gone."""
    redis = fresh_stack.redis()

    for command in (redis.config_get, partial(redis.debug_object, "key"), redis.flushall):
        with pytest.raises(ResponseError, match="unknown command"):
            command()


def test_a_broken_declarative_file_shows_as_500_or_as_an_exit(fresh_stack: DockerStack) -> None:
    """The runbook's symptom, Kong's own one with GATEWAY_STRICT, and the validator that would have told before."""
    (fresh_stack.home / "kong.yml").write_text("_format_version: '3.0'\nservices: [{name: no-url}]\n")
    gateway = fresh_stack.container("kong")
    told = gateway.exec_run(["kong", "config", "parse", "/usr/local/kong/declarative/kong.yml"])
    gateway.restart(timeout=3)
    wait_for(lambda: status(fresh_stack.addresses.admin, "/status") == 500, "admin answers 500", 10)

    assert told.exit_code == 1
    assert b"url" in told.output
    assert status(fresh_stack.addresses.proxy, "/") == 503
    assert status(fresh_stack.addresses.front, "/health") == 200

    with fresh_stack.config_env.open("a") as config:
        config.write("GATEWAY_STRICT=true\n")
    gateway.remove(force=True)
    composing.up(fresh_stack.client, fresh_stack.file)

    def restarts() -> bool:
        return bool(fresh_stack.container("kong").attrs["RestartCount"] > 0)

    wait_for(restarts, "it restarts for ever", 10)


def test_compose_v2_starts_the_same_stack(fresh_stack: DockerStack) -> None:
    """What real Docker Compose starts has the same containers, labels and networks, and one takes over the other's."""
    ours = described(fresh_stack)
    fresh_stack.down()
    compose(fresh_stack, "up", "--detach", "--wait")
    fresh_stack.wait_until_ready()
    theirs = described(fresh_stack)
    fresh_stack.up(foreign=True)

    assert theirs == ours
    assert fresh_stack.ask(INSTANCE) == INSTANCE
    assert {each.labels[f"{LABEL}.service"] for each in composing.containers(
        fresh_stack.client, fresh_stack.addresses.project)} == {"redis", "app", "kong", "nginx"}  # fmt: skip


def described(stack: DockerStack) -> dict[str, dict[str, object]]:
    """What is told of each container by the engine, but for what changes with every start."""
    found = composing.containers(stack.client, stack.addresses.project)
    volatile = {"config-hash", "version", "image", "depends_on", "replace"}
    return {
        each.labels[f"{LABEL}.service"]: {
            "name": each.name,
            "image": each.attrs["Image"],
            "command": each.attrs["Config"]["Cmd"],
            "environment": sorted(each.attrs["Config"]["Env"]),
            "labels": {
                name: value
                for name, value in each.labels.items()
                if name.startswith(LABEL) and name.removeprefix(f"{LABEL}.") not in volatile
            },
            "mounts": sorted((mount["Destination"], mount["Source"]) for mount in each.attrs["Mounts"]),
            "memory": each.attrs["HostConfig"]["Memory"],
            "restart": each.attrs["HostConfig"]["RestartPolicy"]["Name"],
            "stop_signal": each.attrs["Config"].get("StopSignal"),
            "ports": each.attrs["HostConfig"]["PortBindings"],
            "networks": sorted(each.attrs["NetworkSettings"]["Networks"]),
        }
        for each in found
    }


def test_an_image_of_the_same_files_is_the_same_image() -> None:
    """Archives are byte for byte the same, so that ids are, and nothing is made anew without a reason."""
    base = ground()
    package = next(
        path for path in base.archive.parent.glob("packages/busybox-static_*") if path.name in base.packages
    )

    assert packed([package]) == packed([package])
    assert images.configuration(images.images()[0], base) == images.configuration(images.images()[0], base)


def interfaces() -> set[str]:
    """The network interfaces of this machine."""
    return {name for _, name in socket.if_nameindex()}


def test_an_engine_of_our_own_leaves_nothing_behind(private_engine_folder: Path) -> None:
    """A private engine runs beside the session's; its folder and its networks' bridges are gone after it."""
    private = engine.start(private_engine_folder)
    try:
        answered = engine.answers(private.address)
        client = docker.DockerClient(private.address, version="auto")
        bridge = f"br-{str(client.networks.create('left').id)[:12]}"
        before = interfaces()
        client.close()
    finally:
        private.stop()

    assert answered
    assert bridge in before
    assert bridge not in interfaces()
    assert not private_engine_folder.exists()
    assert str(private_engine_folder) not in Path("/proc/self/mountinfo").read_text()
    assert not engine.answers(private.address)
