"""A stack is as the backup has it again: only what differed was made anew, whatever happened on the way."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from blocks.environment import Environment
from ledger.cases import Case
from rules.backups import BackupKind
from rules.errors import StepFailed
from rules.stack_differences import Differences, compare
from rules.stack_order import dependents, levels
from rules.stack_states import Mount
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack
from tasks._container_health import patience
from tasks._container_making import image_to_use, make
from tasks.backup_contents import read_backup
from tasks.backups import Occasion, take_backup
from tasks.containers import REPLACEMENT
from tasks.kinds import in_parallel
from tasks.stack_files import changed_files, put_files_back
from tasks.stack_restores import join_network, make_network, recreate_service
from tasks.stack_services import look_closely, start_service, stop_service
from tasks.stack_states import live_stack
from tests.compose_v2 import compose, deploy_badly, settle

pytestmark = [pytest.mark.real, pytest.mark.slow]
INSTANCE = "i-0abc1234def567890"


class Kept:
    """A stack and a backup of it."""

    def __init__(self, stack: DockerStack, environment: Environment, backup: str) -> None:
        self.stack, self.environment, self.backup = stack, environment, backup

    def differences(self) -> Differences:
        """What is not as the backup has it."""
        return compare(live_stack.fn(self.environment), read_backup.fn(self.environment, self.backup).state)

    def restore(self) -> None:
        """Bring everything back that differs."""
        found, files = self.differences(), changed_files.fn(self.environment, self.backup)
        put_files_back(self.environment, self.backup, [each.path for each in files])
        for network in found.networks:
            make_network(self.environment, self.backup, network)
        for service in found.recreate:
            recreate_service(self.environment, self.backup, service, {})
        for service, networks in self.differences().join.items():
            for network in networks:
                join_network(self.environment, self.backup, service, network)
            for each in dependents(live_stack.fn(self.environment), [service]):
                stop_service(self.environment, each)  # it knows an address that is no more
        self.start()

    def start(self) -> None:
        """Start everything in its order."""
        state = read_backup.fn(self.environment, self.backup).state
        for level in levels(state, self.environment.docker_stack.services):
            in_parallel([lambda name=name: start_service(self.environment, name) for name in level])  # type: ignore[misc]  # mypy knows no defaults of a lambda

    def containers(self) -> dict[str, tuple[str, str]]:
        """The id and start of each container."""
        look = look_closely.fn(self.environment)
        return {each.service: (each.id, each.started_at) for each in look.containers}

    def all_names(self) -> set[str]:
        """The names of all containers on the engine that are not the foreign stack's."""
        project = self.stack.addresses.project
        found = self.stack.client.containers.list(all=True, filters={"name": project})
        return {str(each.name) for each in found if "billing" not in str(each.name)}


@pytest.fixture(scope="module")
def composed(docker_stack: DockerStack, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Give the module a stack that real Compose started, with 100 keys, and a backup of it."""
    docker_stack.down()
    docker_stack.write_files()
    compose(docker_stack, "up", "--detach")
    docker_stack.up(foreign=True)
    docker_stack.fill(100)
    found = described(docker_stack)
    found["platform"]["backups"]["directory"] = str(tmp_path_factory.mktemp("backups"))
    environment = Environment.model_validate(found)
    return Kept(docker_stack, environment, take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY)).id)


@pytest.fixture
def kept(composed: Kept, acting: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Give a test the stack as its backup has it, an incident that may act, and see that others' stay untouched."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    foreign = foreign_stack(composed.stack)
    yield composed
    assert foreign_stack(composed.stack) == foreign
    composed.restore()
    assert not composed.differences()
    assert composed.stack.redis().dbsize() >= 100


def foreign_stack(stack: DockerStack) -> list[Any]:
    """The foreign stack's containers and network."""
    container = stack.container("redis", stack.foreign.project)
    network = stack.client.networks.get(f"{stack.addresses.project}-enterprise-billing")
    return [container.id, container.attrs["State"]["StartedAt"], network.id]


def test_only_what_differs_is_made_again_and_compose_finds_nothing_to_do(kept: Kept) -> None:
    """After a bad deployment by Compose, and the way back, Compose itself sees no difference; nothing else moved."""
    deploy_badly(kept.stack)
    bad = kept.containers()
    found = kept.differences()

    kept.restore()

    assert sorted(found.recreate) == ["app", "kong", "redis"]
    assert "environment APP_MODEL" in {each.what for each in found.recreate["redis"]}
    assert kept.stack.password not in repr(found)
    assert not kept.differences()
    assert kept.containers()["nginx"] == bad["nginx"]
    assert changed_files.fn(kept.environment, kept.backup) == []
    assert settle(kept.stack) == set()
    assert kept.stack.ask(INSTANCE) == INSTANCE


def test_killed_between_any_two_steps_it_goes_on(kept: Kept) -> None:
    """The old one there or gone, the new one made, half right or not made: the next run ends the same."""
    client, name = kept.stack.client, f"{kept.stack.addresses.project}-app"
    wanted = read_backup.fn(kept.environment, kept.backup).state
    [app] = wanted.of("app")
    wrong = app.model_copy(update={"config": app.config | {"Env": ["APP_MODEL=haiku"]}})

    for old, new in ((None, app), (wrong, app), (wrong, wrong), (None, None), (app, wrong)):
        for left in (name, f"{name}{REPLACEMENT}"):
            if left in kept.all_names():
                client.containers.get(left).remove(force=True)
        if old:
            make(client, wanted, old, {})
            client.containers.get(f"{name}{REPLACEMENT}").rename(name)
        if new:
            make(client, wanted, new, {})
        first = recreate_service(kept.environment, kept.backup, "app", {})
        again = recreate_service(kept.environment, kept.backup, "app", {})

        assert first.changed
        assert not again.changed
        assert not kept.differences().recreate
        assert not {each for each in kept.all_names() if each.endswith(REPLACEMENT)}


def test_a_network_that_is_gone_is_made_again_and_joined(kept: Kept) -> None:
    """Made anew it has another id, which stopped containers do not know: they join it, and are not made again."""
    before, client = kept.containers(), kept.stack.client
    name = f"{kept.stack.addresses.project}-enterprise"
    for service in ("nginx", "kong", "app", "redis"):
        stop_service(kept.environment, service)
    client.networks.get(name).remove()

    found = kept.differences()
    kept.restore()

    assert (list(found.networks), found.recreate) == ([name], {})
    assert {each: told[0] for each, told in kept.containers().items()} == {
        each: told[0] for each, told in before.items()
    }
    assert kept.stack.ask(INSTANCE) == INSTANCE


def test_a_network_of_other_addresses_is_replaced_while_everything_runs(kept: Kept) -> None:
    """Its containers leave it and join the right one; their ports answer again; a container of others is spared."""
    client, name = kept.stack.client, f"{kept.stack.addresses.project}-enterprise"
    network = client.networks.get(name)
    labels = network.attrs["Labels"]
    for each in network.containers:
        network.disconnect(each, force=True)
    network.remove()
    other = client.networks.create(name, labels=labels, check_duplicate=True)
    stranger = kept.stack.container("redis", kept.stack.foreign.project)
    other.connect(stranger)
    try:
        with pytest.raises(StepFailed, match="which is not of"):
            make_network(kept.environment, kept.backup, name)
    finally:
        other.disconnect(stranger, force=True)

    kept.restore()

    assert not make_network(kept.environment, kept.backup, name).changed
    kept.stack.wait_until_ready()  # nginx may remember the old address for a second
    assert kept.stack.ask(INSTANCE) == INSTANCE


def test_a_port_that_was_taken_meanwhile_is_told(kept: Kept) -> None:
    """One clear error; the container stays made, and starts once the port is free."""
    stop_service(kept.environment, "nginx")
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", kept.stack.addresses.front))
        holder.listen()
        with pytest.raises(StepFailed, match=f"start nginx: port .* is held by the process .*{os.getpid()}"):
            start_service(kept.environment, "nginx")

    assert start_service(kept.environment, "nginx").changed
    assert not start_service(kept.environment, "nginx").changed


def test_an_image_that_lost_its_tag_is_found_by_its_id(kept: Kept) -> None:
    """A tag that means another image today deceives nobody; an image that is gone is refused, the old one left."""
    client = kept.stack.client
    state = read_backup.fn(kept.environment, kept.backup).state
    [app] = state.of("app")
    moved = app.model_copy(update={"tag": "backstop-sandbox/app:2"})
    gone = app.model_copy(update={"image": "sha256:" + "0" * 64})

    assert image_to_use(client, app) == app.tag
    assert image_to_use(client, moved) == app.image
    with pytest.raises(StepFailed, match="image of app is gone") as refused:
        image_to_use(client, gone)
    assert "digest" in refused.value.hint


def test_somebody_elses_name_is_left_alone(kept: Kept) -> None:
    """A container of others that has the name stays, and the service is refused with its name."""
    client, name = kept.stack.client, f"{kept.stack.addresses.project}-app"
    client.containers.get(name).remove(force=True)
    stranger = client.containers.create("backstop-sandbox/app:1", name=name)
    try:
        with pytest.raises(StepFailed, match=f"The name {name} is taken"):
            recreate_service(kept.environment, kept.backup, "app", {})
        assert client.containers.get(name).id == stranger.id
    finally:
        stranger.remove(force=True)


def test_files_are_put_back_in_the_stacks_folder_only(kept: Kept, tmp_path: Path) -> None:
    """A file that is gone, of which the engine made a folder, and one that was changed; owner and mode stay."""
    kong, config = kept.stack.home / "kong.yml", kept.stack.config_env
    right = kong.read_bytes(), config.read_bytes()
    kong.unlink()
    kong.mkdir()
    config.write_text("APP_MODEL=haiku\n")
    found = changed_files.fn(kept.environment, kept.backup)

    paths = [each.path for each in found]
    assert put_files_back(kept.environment, kept.backup, paths).changed
    assert not put_files_back(kept.environment, kept.backup, paths).changed
    assert (kong.read_bytes(), config.read_bytes()) == right
    assert (kong.stat().st_mode & 0o777, config.stat().st_mode & 0o777) == (0o644, 0o600)
    assert {each.path: (each.missing, each.services) for each in found} == {
        str(kong): (True, ("kong",)),
        str(config): (False, ()),
    }
    with pytest.raises(StepFailed, match="does not lie in the stack's folder"):
        put_files_back(kept.environment, kept.backup, [str(tmp_path / "kong.yml")])


def test_volumes_without_a_name_are_carried_over(kept: Kept) -> None:
    """The runbook's `docker rm` and `docker-compose up` lose what is in them; here it is still there."""
    client = kept.stack.client
    state = read_backup.fn(kept.environment, kept.backup).state
    [app] = state.of("app")
    name, volume = f"{app.name}-lone", "0123456789abcdef" * 4
    mount = Mount(kind="volume", source=volume, destination="/data", writable=True)
    lone = app.model_copy(update={"name": name, "service": "lone", "mounts": (mount,)})
    client.volumes.create(volume)
    try:
        for content in (b"precious", b""):
            made = make(client, state, lone, {"/data": volume})
            client.containers.get(made).put_archive("/data", tar_of("kept", content)) if content else None
            stream, _ = client.containers.get(made).get_archive("/data/kept")
            assert b"precious" in b"".join(stream)
            client.containers.get(made).remove(force=True)
        bare = client.containers.create(app.tag, volumes=["/data"])
        with pytest.raises(docker.errors.NotFound):
            bare.get_archive("/data/kept")
        bare.remove(force=True, v=True)
    finally:
        client.volumes.get(volume).remove(force=True)


def tar_of(name: str, content: bytes) -> bytes:
    """A tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_a_process_that_does_not_listen_is_not_waited_for() -> None:
    """The first process of a container that ignores a signal would cost the whole stop timeout."""
    script = "import signal, sys; {}; print(flush=True); sys.stdin.read()"
    for line, seconds in (("signal.signal(15, print)", 3), ("signal.signal(15, signal.SIG_DFL)", 0)):
        with subprocess.Popen(
            [sys.executable, "-c", script.format(line)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            told = {"Config": {}, "State": {"Pid": process.pid}}
            assert patience(told, local=True) == seconds
            assert patience(told, local=False) == 3
            process.kill()
