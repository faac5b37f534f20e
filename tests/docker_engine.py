"""The session's Docker engine and the practice stack on it: the machine's engine, or one that is started here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rules.errors import RecoveryRefused

if TYPE_CHECKING:
    from blocks.environment import Environment
    from sandbox.stack.engine import Engine
    from sandbox.stack.stack import DockerStack


class OwnEngine:
    """An engine that a test may restart."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, f"unix://{folder}/engine.sock"
        (folder / "engine.json").write_text("{}", encoding="utf-8")
        self.log = folder.with_name(f"{folder.name}.log")
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        from sandbox.stack import engine as engines
        from sandbox.stack import engine_host
        from sandbox.stack.stack import wait_for

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(engine_host.command(self.folder), stdout=log, stderr=log)
        wait_for(lambda: engines.answers(self.address), "the engine answers", 20)

    def stop(self) -> None:
        """End it as the machine's service manager does."""
        self.process.terminate()
        self.process.wait(20)


def no_engine(reason: RecoveryRefused) -> None:
    """Skip, and say why; where CI runs, a machine without an engine is an error."""
    told = f"no Docker engine: {reason}"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Give a test the session's engine, with the practice stack's images."""
    import docker

    from sandbox.stack import engine as engines
    from sandbox.stack import images

    try:
        found = engines.find_or_start()
    except RecoveryRefused as reason:
        no_engine(reason)
        raise
    try:
        client = docker.DockerClient(found.address, version="auto", timeout=60)
        try:
            images.load(client)
        except RecoveryRefused as reason:
            no_engine(reason)
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def docker_stack(engine: Engine) -> Iterator[DockerStack]:
    """Give a test the session's stack, with the foreign one beside it. Tests that change it use `fresh_stack`."""
    from sandbox.stack.environment import described
    from sandbox.stack.moment import Moment
    from sandbox.stack.stack import DockerStack

    with ExitStack() as closing:
        home = Path(tempfile.mkdtemp(prefix="backstop-stack-"))
        closing.callback(shutil.rmtree, home, ignore_errors=True)
        stack = DockerStack.start(home / "stack", engine.address, foreign=True)
        closing.callback(stack.remove)
        described(stack)  # writes its secrets, which are part of the moment: a backup's seal has to stay
        Moment(stack).keep()
        yield stack


@pytest.fixture
def fresh_stack(docker_stack: DockerStack) -> DockerStack:
    """Give a test the stack as new: nothing broken, nothing stored."""
    from sandbox.stack.moment import Moment

    Moment(docker_stack).set_back()
    return docker_stack


@pytest.fixture
def masking(fresh_stack: DockerStack, tmp_path: Path) -> Environment:
    """Give a test the environment of the stack as new, and a backup store of its own."""
    from blocks.environment import Environment
    from sandbox.stack.environment import described

    found = described(fresh_stack)
    found["platform"]["backups"]["directory"] = str(tmp_path / "backups")
    return Environment.model_validate(found)


@pytest.fixture
def private_engine_folder(engine: Engine) -> Iterator[Path]:
    """Give a test a short path for an engine of its own, where one can be started."""
    from sandbox.stack.engine import refuse_where_impossible

    try:
        refuse_where_impossible()
    except RecoveryRefused as reason:
        no_engine(reason)
    folder = Path(tempfile.mkdtemp(prefix="backstop-engine-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_engine(private_engine_folder: Path) -> Iterator[OwnEngine]:
    """Give a test an engine of its own, with the images."""
    import docker

    from sandbox.stack import engine_host, images

    engine = OwnEngine(private_engine_folder)
    try:
        images.load(docker.DockerClient(engine.address, version="auto", timeout=60))
        yield engine
    finally:
        engine.stop()
        engine_host.remove(engine.folder)
        engine.log.unlink()
