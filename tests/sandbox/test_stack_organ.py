"""The Docker stack as a part of the sandbox: brought up when asked for, broken, and set back as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deployments.environments import load_environment
from rules.errors import RecoveryRefused
from sandbox import stack_organ
from sandbox.places import Home
from sandbox.stack import engine as engines
from sandbox.stack import reading
from sandbox.stack.breaking import STACK_FAULTS
from sandbox.stack.engine import Engine
from tasks.backups import read_backups

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def home(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A sandbox's folder, on the session's engine."""
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    with ExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="backstop-organ-"))
        place = Home(Path(folder))
        closing.callback(stack_organ.stop, place)
        yield place


def test_it_comes_up_when_asked_for_and_is_set_back_whatever_was_broken(home: Home) -> None:
    """Every fault shows, setting it back makes all of it as it was, the foreign stack is never touched, and it goes."""
    assert stack_organ.told(home) == "not asked for"
    stack_organ.set_back(home)
    stack = stack_organ.start(home, outlive=False)
    assert stack_organ.start(home, outlive=False).home == stack.home
    wanted = reading.read(stack)
    [backup] = read_backups(load_environment("masking", home.environments))
    assert backup.data.by_prefix == {"aws_masker:map:": 200, "aws_masker:rev:": 200}

    broken = ("broken-gateway-file", "starved-gateway", "taken-port", "lost-image", "lost-network")
    for fault in broken:
        before = reading.read(stack)
        for _ in "twice":
            STACK_FAULTS[fault][1](stack)
        assert reading.read(stack) != before, fault
    (stack.home / "kong.yml").unlink()
    stack.container("redis").kill()
    stack_organ.set_back(home)

    assert reading.read(stack) == wanted
    assert stack.ask("i-0abc1234def567890") == "i-0abc1234def567890"
    stack.redis().flushdb()
    stack_organ.set_back(home)
    assert reading.read(stack) == wanted

    stack_organ.stop(home)
    assert stack_organ.told(home) == "not asked for"
    assert list(home.path.glob("masking*")) == []
    assert not stack.client.containers.list(all=True, filters={"name": stack.addresses.project})


def test_without_an_engine_it_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no engine runs and none can be started, it says what is missing, and nothing was made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(engines, "MACHINES_OWN", f"unix://{tmp_path}/none.sock")
    home = Home(tmp_path)

    with pytest.raises(RecoveryRefused, match="dockerd"):
        stack_organ.start(home, outlive=False)

    assert stack_organ.told(home).startswith("left out: No Docker engine runs")
    assert list(tmp_path.iterdir()) == []
