"""The Docker engine itself is restarted in the middle of a whole rollback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from flows import _stack_steps
from flows.stack_rollback import recover
from rules.backups import BackupKind
from rules.outcomes import Ending
from rules.retention import Proof
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack
from tasks.backup_proofs import record_proof
from tests.docker_engine import OwnEngine
from tests.flows.deployed_stack import INSIST, Story

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]
LATE = "aws_masker:map:LATE"


@pytest.fixture
def own_story(own_engine: OwnEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Give a test a healthy stack with its backup, on an engine that may be restarted."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    stack = DockerStack.start(tmp_path / "stack", own_engine.address)
    stack.fill(200)
    found = described(stack) | {"tier": "staging"}
    yield Story(stack, Environment.model_validate(found))
    stack.remove()


@pytest.mark.parametrize("step", ["restore_redis_data", "start_service"])
def test_the_engine_restarts_in_the_middle(
    own_engine: OwnEngine, own_story: Story, own_home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Every container dies with it and some come back by themselves: the rollback waits, and ends as without it."""
    stack, environment = own_story.stack, own_story.environment
    record_proof.fn(environment, own_story.good, Proof.PROVEN)
    own_story.deploy(AWS_MASKING_ENABLED="false")
    stack.redis().set(LATE, "i-1")
    do, restarts, one = getattr(_stack_steps, step), list[threading.Thread](), threading.Lock()

    def restart_first(*given: Any) -> Any:
        with one:
            if not restarts:
                own_engine.stop()
                restarts.append(threading.Thread(target=own_engine.start))
                restarts[0].start()
        return do(*given)

    monkeypatch.setattr(_stack_steps, step, restart_first)
    outcome = recover.fn(environment, backup=own_story.good, preserve_data=False, force=True, request=INSIST)
    restarts[0].join()

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert own_story.variable("app", "AWS_MASKING_ENABLED") != ["false"]
    assert stack.redis().get(LATE) is None
    assert stack.ask("i-0abc1234def567890") == "i-0abc1234def567890"
    assert own_story.snapshot(), "the state before was not kept"
    assert own_story.good != own_story.backup(BackupKind.DEPLOY), "no backup can be made any more"
