"""Whatever happens in the middle of a stack's rollback, no data and no backup is lost, and the next run ends it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flows import _stack_steps
from flows.stack_rollback import recover
from rules.outcomes import Ending, Outcome
from rules.retention import Proof
from tasks.backup_contents import fetch_data, manifest_of, read_backup
from tasks.backup_proofs import record_proof
from tasks.backups import backup_names
from tasks.stack_files import put_files_back
from tests.flows.broken_canary import steps
from tests.flows.deployed_stack import INSIST, Story, spoil

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]
LATE = "aws_masker:map:LATE"


@contextmanager
def nothing_is_lost(story: Story, scratch: Path) -> Iterator[None]:
    """Every backup there was, and those made meanwhile, are whole afterwards; the foreign stack is untouched."""
    before = set(backup_names.fn(story.environment))
    yield
    now = set(backup_names.fn(story.environment))
    assert before <= now
    for name in now:
        manifest = manifest_of.fn(story.environment, name)
        read_backup.fn(story.environment, name)
        if manifest.has_data:
            fetch_data(story.environment, manifest, scratch / name)


@contextmanager
def holding(port: int) -> Iterator[None]:
    """Hold a port of this host, and close every connection at once."""
    with socket.create_server(("127.0.0.1", port)) as server:
        Thread(target=_turn_away, args=[server], daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def _turn_away(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            server.accept()[0].close()


def test_a_port_that_is_taken_meanwhile_is_named(story: Story, tmp_path: Path) -> None:
    """Its holder is told and left alone, today's data is there; once the port is free the next run recovers."""
    stack = story.stack
    story.deploy(AWS_MASKING_ENABLED="false")
    stack.redis().set(LATE, "i-1")

    told = f"port {stack.addresses.admin} is held by the process"
    with ExitStack() as held, pytest.MonkeyPatch.context() as patched, nothing_is_lost(story, tmp_path):

        def take_the_port(*asked: Any) -> None:
            patched.undo()  # once is enough: undoing puts files back too
            stack.container("kong").stop(timeout=2)
            held.enter_context(holding(stack.addresses.admin))
            put_files_back(*asked)

        patched.setattr(_stack_steps, "put_files_back", take_the_port)
        outcome = recover.fn(story.environment)
        assert outcome.ending in (Ending.NOT_RECOVERED, Ending.UNDO_FAILED), outcome.reason
        assert told in outcome.reason
        before = story.runs()
        refused = recover.fn(story.environment)  # it is known by now, and nothing is tried
        assert told in refused.reason
        assert steps(refused) == []
        assert story.runs() == before
    assert stack.redis().get(LATE) == "i-1"

    again = recover.fn(story.environment)

    assert again.ending is Ending.RECOVERED, again.reason
    assert story.variable("kong", "AWS_MASKING_ENABLED") == ["true"]
    assert stack.redis().get(LATE) == "i-1"


def test_an_image_that_is_gone_is_refused_before_anything_is_done(story: Story, tmp_path: Path) -> None:
    """The release that is to come back is no more on the engine: nothing is changed, and the image is named."""
    story.deploy(APP_MODEL="haiku")
    image = story.stack.client.images.get("backstop-sandbox/app:1")
    kept = b"".join(image.save(named=True))
    story.stack.client.images.remove("backstop-sandbox/app:1", force=True)
    try:
        before = story.runs()
        with nothing_is_lost(story, tmp_path):
            outcome = recover.fn(story.environment, request=INSIST)
        assert outcome.ending is Ending.NOT_RECOVERED
        assert "The image of app is gone: backstop-sandbox/app:1" in outcome.reason
        assert steps(outcome) == []
        assert story.runs() == before
    finally:
        story.stack.client.images.load(kept)


def test_data_that_has_rotted_leaves_todays_in_service(story: Story) -> None:
    """Proven once, damaged since: what was done until that was seen is undone, and Redis ran on all the time."""
    record_proof.fn(story.environment, story.good, Proof.PROVEN)
    story.deploy(APP_MODEL="haiku")
    spoil(story.environment, story.good)
    redis = story.runs()["-redis"]
    story.stack.redis().set(LATE, "i-1")

    outcome = recover.fn(story.environment, preserve_data=False, force=True, request=INSIST)

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "redis.rdb" in outcome.reason
    assert "restore_redis_data" not in {each[0] for each in steps(outcome) if each[2] == "changed"}
    assert story.runs()["-redis"] == redis
    assert story.stack.redis().get(LATE) == "i-1"
    assert story.variable("app", "APP_MODEL") == ["haiku"]
    assert recover.fn(story.environment).ending is Ending.NOTHING_TO_DO
    assert read_backup.fn(story.environment, story.snapshot()).manifest.has_data


_OTHER = """
import json, sys
from pathlib import Path
from blocks.environment import Environment
from flows import _stack_steps
from flows.stack_rollback import recover
told = json.loads(sys.stdin.read())
print("ready", flush=True)
outcome = recover.fn(Environment.model_validate(told), preserve_data=False, force=True)
print(outcome.model_dump_json())
"""


def test_of_two_at_once_one_acts(story: Story, tmp_path: Path) -> None:
    """A second process that wants the same finds the lease held, or all of it done: it changes nothing."""
    record_proof.fn(story.environment, story.good, Proof.PROVEN)
    story.deploy(AWS_MASKING_ENABLED="false")
    story.stack.redis().set(LATE, "i-1")

    with (
        nothing_is_lost(story, tmp_path),
        subprocess.Popen(
            [sys.executable, "-c", _OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
    ):
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(story.environment.model_dump_json())
        other.stdin.close()
        assert other.stdout.readline() == "ready\n"
        ours = recover.fn(story.environment, preserve_data=False, force=True)
        theirs = Outcome.model_validate_json(other.stdout.read().splitlines()[-1])

    both = {ours.ending: ours, theirs.ending: theirs}
    assert set(both) == {Ending.RECOVERED, Ending.ALREADY_HANDLED}, (ours.reason, theirs.reason)
    assert steps(both[Ending.ALREADY_HANDLED]) == []
    assert story.variable("kong", "AWS_MASKING_ENABLED") == ["true"]
    assert story.stack.redis().dbsize() >= 200
    folder = f"/data/backstop-kept-{both[Ending.RECOVERED].incident}-1"
    assert story.stack.container("redis").exec_run(["ls", f"{folder}/complete.json"]).exit_code == 0
