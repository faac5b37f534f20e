"""The session's Docker engine and the practice stack on it: the machine's engine, or one that is started here."""

from __future__ import annotations

import os
import shutil
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
