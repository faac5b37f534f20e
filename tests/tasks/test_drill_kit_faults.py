"""The drills' wrong-queue publish, on the sandbox's queues, which hold other people's messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blocks.settings import settings
from rules.drills import AllowedDrill, FaultName
from rules.errors import RecoveryRefused, StepFailed
from sandbox.test_kit.place import BILLING, BILLING_FIFO, INTAKE, KitPlace, dead, publish_innocents
from sandbox.world import Sandbox
from tasks._queue_journal import QueueJournal
from tasks.drill_faults import Wish, inject_fault, prepare_fault, undo_fault, world_of
from tasks.queues import remove_published, send_on
from tasks.test_runs import newest_run, run_traces
from tests.flows.kit_world import KitWorld

pytestmark = [pytest.mark.slow]

RUN, COUNT, FAULT = "drl-1", 10, FaultName.WRONG_QUEUE.value


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa before anything happens; waits are short."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


def prepared(world: KitWorld, queue: str = BILLING) -> dict[str, str]:
    """The note of a drill with one of the queues; no alarm is set."""
    url = world.place.url(queue)
    drill = AllowedDrill(fault=FaultName.WRONG_QUEUE, queue=url, alarm="unset")
    return prepare_fault(world.environment, drill, Wish(drill=RUN, queue=url))


def held(world: KitWorld, *queues: str) -> dict[str, list[str]]:
    """Which messages each queue holds."""
    return {queue: world.ids(queue) for queue in (*queues, BILLING, dead(BILLING), INTAKE)}


def ours(world: KitWorld, queue: str) -> list[str]:
    """The drill's messages in a queue."""
    return [m.id for m in world.place.held(queue) if m.attributes.get("run_id") == RUN]


@pytest.mark.parametrize("queue", [BILLING, BILLING_FIFO])
def test_a_run_publishes_to_the_wrong_queue_and_exactly_that_is_taken_out(
    world: KitWorld, queue: str
) -> None:
    """It is the newest run, and says what it sent; others keep id and place; undone again, nothing is received."""
    before, as_it_is, note = held(world, queue), world_of(world.environment), prepared(world, queue)

    inject_fault(world.environment, FAULT, note)
    published, traces = ours(world, queue), run_traces(world.environment, newest_run(world.environment))
    left = undo_fault(world.environment, FAULT, note)
    receives = [message.receives for message in world.place.held(queue)]

    assert (traces.run_id, traces.queues) == (RUN, (world.place.url(queue),))
    assert (len(published), traces.message_ids) == (COUNT, frozenset(published))
    assert left == (f"{COUNT} of its messages were still there", "")
    assert held(world, queue) == before
    assert not (world.place.artifacts / RUN).exists()
    assert world_of(world.environment) == as_it_is
    assert undo_fault(world.environment, FAULT, note) == ("", "")
    assert [message.receives for message in world.place.held(queue)] == receives
    assert max(receives) <= 2


def test_a_run_that_was_killed_before_it_told_what_it_sent_is_taken_out_too(world: KitWorld) -> None:
    """Its messages name it; what came to the queue meanwhile stays."""
    note, folder = prepared(world), world.place.artifacts / RUN
    inject_fault(world.environment, FAULT, note)
    (folder / "spans.jsonl").unlink()
    publish_innocents(world.place, BILLING, 3, first=90)
    innocent = [one for one in world.ids(BILLING) if one not in ours(world, BILLING)]

    undo_fault(world.environment, FAULT, note)

    assert world.ids(BILLING) == innocent


@pytest.mark.usefixtures("acting")
def test_nothing_that_a_recovery_has_searched_is_searched_again(world: KitWorld) -> None:
    """Nobody's messages are received once more; the folder goes."""
    note = prepared(world)
    inject_fault(world.environment, FAULT, note)
    for queue in (BILLING, dead(BILLING)):
        remove_published(world.environment, RUN, run_traces(world.environment, RUN), world.place.url(queue))
    receives = [message.receives for message in world.place.held(BILLING)]

    assert undo_fault(world.environment, FAULT, note) == ("", "")
    assert [message.receives for message in world.place.held(BILLING)] == receives
    assert not (world.place.artifacts / RUN).exists()


@pytest.mark.usefixtures("acting")
def test_what_a_recovery_sent_on_is_taken_out_of_the_right_queue(world: KitWorld) -> None:
    """The tests' own messages there stay."""
    publish_innocents(world.place, INTAKE, 3)
    before, note = held(world), prepared(world)
    inject_fault(world.environment, FAULT, note)
    traces = run_traces(world.environment, RUN)
    for queue in (BILLING, dead(BILLING)):
        remove_published(world.environment, RUN, traces, world.place.url(queue))
    send_on(world.environment, RUN, world.place.url(INTAKE), 1, COUNT)
    assert len(ours(world, INTAKE)) == COUNT

    left, _ = undo_fault(world.environment, FAULT, note)

    assert left == f"{COUNT} of its messages were still there"
    assert held(world) == before


def test_where_one_more_look_would_cost_others_their_last_try_people_are_asked_and_nobody_looks_again(
    world: KitWorld,
) -> None:
    """A janitor that tries it every minute receives nothing after the first time."""
    note, sqs, url = prepared(world), world.place.client("sqs"), world.place.url(BILLING)
    inject_fault(world.environment, FAULT, note)
    policy = {"deadLetterTargetArn": _arn(world, dead(BILLING)), "maxReceiveCount": 2}
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=0)["Messages"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})

    for _ in range(3):
        with pytest.raises(StepFailed, match="may be left"):
            undo_fault(world.environment, FAULT, note)

    [brink] = [m for m in world.place.held(BILLING) if m.id == taken[0]["MessageId"]]
    assert brink.receives == 2
    assert (world.place.artifacts / RUN).exists()


def _arn(world: KitWorld, queue: str) -> Any:
    told = world.place.client("sqs").get_queue_attributes(
        QueueUrl=world.place.url(queue), AttributeNames=["QueueArn"]
    )
    return told["Attributes"]["QueueArn"]


def test_another_host_does_not_say_that_it_is_undone(world: KitWorld) -> None:
    """It sees no folder, and the messages are there; where nothing was sent, there is nothing to undo."""
    note = prepared(world)
    assert undo_fault(world.environment, FAULT, note) == ("", "")

    with pytest.raises(StepFailed, match="elsewhere"):
        undo_fault(world.environment, FAULT, note | {"host": "elsewhere"})
    assert QueueJournal("qa", RUN).accounts() == {}


def test_only_a_queue_that_the_file_names_and_that_is_not_the_tests_own_is_hit(world: KitWorld) -> None:
    """Nothing is sent anywhere, and no run is made."""
    before = held(world)
    for queue, said in ((INTAKE, "where tests publish"), ("somebody-elses", "no queue of this environment")):
        with pytest.raises(RecoveryRefused, match=said):
            prepared(world, queue)
    world.place.client("sqs").set_queue_attributes(
        QueueUrl=world.place.url(BILLING),
        Attributes={
            "RedrivePolicy": json.dumps(
                {"deadLetterTargetArn": _arn(world, dead(BILLING)), "maxReceiveCount": 1}
            )
        },
    )
    with pytest.raises(RecoveryRefused, match="received 1 time"):
        prepared(world)
    assert held(world) == before
    assert not (world.place.artifacts / RUN).exists()
