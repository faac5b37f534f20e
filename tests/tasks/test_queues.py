"""Taking single messages out of a queue, and sending them on: over deaths, lost replies and others at work."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from blocks.test_kit import CopyStore
from ledger.cases import Case
from rules.errors import StepFailed
from rules.stray_messages import RunTraces, whose
from sandbox.aws_front import Rule, change_rules
from sandbox.test_kit.place import BILLING, BILLING_FIFO, INTAKE, INTAKE_FIFO, OTHERS, KitPlace
from sandbox.world import Sandbox
from tasks import _message_copies, _queue_sweep
from tasks._message_copies import Copies
from tasks._queue_calls import QueueCalls
from tasks._queue_journal import QueueJournal
from tasks._queue_moves import Mover
from tasks._queue_sweep import Sweep
from tasks.queues import remove_published, send_on
from tests.flows.kit_world import KitWorld

RUN = "run-7"


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa with nothing astray; waits are short."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.1")
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


def publish(world: KitWorld, count: int, queue: str = BILLING) -> RunTraces:
    """Messages of the run, between others'; some with a binary attribute, as people send."""
    sqs, began = world.place.client("sqs"), datetime.now(UTC) - timedelta(seconds=1)
    ids: list[str] = []
    for first in range(0, count, 10):
        marks = {
            "run_id": {"DataType": "String", "StringValue": RUN},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        }
        entries: list[dict[str, Any]] = [
            {"Id": str(n), "MessageBody": f"order {n}", "MessageAttributes": marks}
            for n in range(first, min(first + 10, count))
        ]
        if queue.endswith(".fifo"):
            entries = [
                e | {"MessageGroupId": "g", "MessageDeduplicationId": f"first-{e['Id']}"} for e in entries
            ]
        answer = sqs.send_message_batch(QueueUrl=world.place.url(queue), Entries=entries)
        ids += [sent["MessageId"] for sent in answer["Successful"]]
    return RunTraces(run_id=RUN, message_ids=frozenset(ids), began=began)


def ours(world: KitWorld, queue: str) -> list[str]:
    """Bodies of the run's messages in a queue."""
    return [m.body for m in world.place.held(queue) if m.attributes.get("run_id") == RUN]


def break_calls(world: KitWorld, *rules: Rule) -> None:
    """Let calls go wrong on the wire."""
    change_rules(world.place.home.faults, lambda now: [*now, *rules])


def test_taking_out_is_repeatable(world: KitWorld, acting: Case) -> None:
    """The second time nothing is left to take; the copies are whole, binary attributes among them."""
    traces = publish(world, 35)
    url = world.place.url(BILLING)

    first = remove_published.fn(world.environment, RUN, traces, url)
    second = remove_published.fn(world.environment, RUN, traces, url)

    assert (first.changed, second.changed) == (True, False)
    assert ours(world, BILLING) == []
    copies = Copies(world.environment, RUN).all().values()
    assert sorted(copy.body for copy in copies) == sorted(f"order {n}" for n in range(35))
    assert {copy.attributes["blob"].value for copy in copies} == {"AP8="}


def sweep_and_die(environment: Environment, home: str, traces: RunTraces, url: str, die_after: int) -> None:
    """Search a queue in a process of its own, which kills itself before its n-th deletion; -1: at its first answer."""
    os.environ["BACKSTOP_HOME"] = home
    settings.cache_clear()
    _queue_sweep.GATHERED = 10
    _queue_sweep.SHORTEST_HOLD = 3
    calls, count = QueueCalls(environment, url), 0
    delete, receive = calls.delete, calls.receive

    def dying(messages: Any) -> Any:
        nonlocal count
        count += 1
        if count > die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return delete(messages)

    def dying_at_once(hold_seconds: int, wait_seconds: int = 1) -> Any:
        receive(hold_seconds, wait_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    calls.delete = dying  # type: ignore[method-assign] # the only way to die at this very line
    if die_after < 0:
        calls.receive = dying_at_once  # type: ignore[method-assign] # as above
    Sweep(
        calls, QueueJournal("qa", RUN), Copies(environment, RUN), partial(whose, traces=traces), spend=False
    ).run()


@pytest.mark.parametrize("die_after", [0, 1, 3])
def test_a_search_that_was_killed_is_finished_by_the_next(
    world: KitWorld, acting: Case, own_home: Path, die_after: int
) -> None:
    """What the dead one hid is visible again, others' are all there, the run's are gone and kept once."""
    others = world.ids(BILLING)
    traces, url = publish(world, 35), world.place.url(BILLING)
    child = multiprocessing.get_context("spawn").Process(
        target=sweep_and_die, args=(world.environment, str(own_home), traces, url, die_after)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert world.read().hidden[BILLING] > 0

    remove_published.fn(world.environment, RUN, traces, url)

    assert world.ids(BILLING) == others
    assert world.read().hidden[BILLING] == 0
    assert len(Copies(world.environment, RUN).all()) == 35


@pytest.mark.parametrize("queue", [BILLING, BILLING_FIFO])
def test_what_a_killed_search_could_not_note_is_waited_for(
    world: KitWorld, acting: Case, own_home: Path, queue: str
) -> None:
    """SQS had handed it out and hid it: the next search takes it out too, and calls nothing consumed."""
    traces, url = publish(world, 10, queue), world.place.url(queue)
    others = sorted(set(world.ids(queue)) - traces.message_ids)
    child = multiprocessing.get_context("spawn").Process(
        target=sweep_and_die, args=(world.environment, str(own_home), traces, url, -1)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert world.read().hidden[queue] > 0

    remove_published.fn(world.environment, RUN, traces, url)

    assert sorted(world.ids(queue)) == others
    assert len(Copies(world.environment, RUN).all()) == 10


def test_a_second_consumer_loses_nothing(world: KitWorld, acting: Case) -> None:
    """While billing works on its own messages, each of them is handled or still there."""
    others = set(world.ids(BILLING))
    traces, url = publish(world, 60), world.place.url(BILLING)
    sqs, handled, over = world.place.client("sqs"), set(), threading.Event()

    def consume() -> None:
        while not over.is_set():
            found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, MessageAttributeNames=["All"])
            for message in found.get("Messages", []):
                if "run_id" in message.get("MessageAttributes", {}):
                    sqs.change_message_visibility(
                        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                    )
                else:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    handled.add(message["MessageId"])

    billing = threading.Thread(target=consume)
    billing.start()
    try:
        remove_published.fn(world.environment, RUN, traces, url, spend=True)
    finally:
        over.set()
        billing.join()

    assert handled | set(world.ids(BILLING)) >= others
    assert not handled & set(world.ids(BILLING))
    assert len(Copies(world.environment, RUN).all()) + len(ours(world, BILLING)) == 60


def test_a_hold_that_is_shorter_than_the_search_is_renewed(
    world: KitWorld, acting: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow calls and a hold of a second: nobody's message is lost, nobody's is hidden, none of ours stays."""
    monkeypatch.setattr(_queue_sweep, "SHORTEST_HOLD", 1)
    monkeypatch.setattr(_queue_sweep, "SECONDS_A_MESSAGE", 0.0)
    others = world.ids(BILLING)
    traces = publish(world, 30)
    break_calls(world, Rule("sqs.*", "delay", seconds=0.3))

    remove_published.fn(world.environment, RUN, traces, world.place.url(BILLING))

    assert ours(world, BILLING) == []
    assert sorted(world.ids(BILLING)) == sorted(others)
    assert world.read().hidden[BILLING] == 0


def test_nothing_is_deleted_without_a_copy(world: KitWorld, acting: Case) -> None:
    """Where copies cannot be written every message stays, and is visible."""
    traces = publish(world, 12)
    world.place.copies.write_text("in the way")

    with pytest.raises(StepFailed, match="could not be kept"):
        remove_published.fn(world.environment, RUN, traces, world.place.url(BILLING))

    assert len(ours(world, BILLING)) == 12
    assert len(world.ids(BILLING)) == 12 + OTHERS
    assert world.read().hidden[BILLING] == 0


def test_copies_in_a_bucket(world: KitWorld, acting: Case) -> None:
    """The same, kept in S3: unreadable without the key."""
    s3 = world.place.client("s3")
    s3.create_bucket(Bucket="qa-copies")
    store = CopyStore(bucket="qa-copies", key=world.environment.test_kit.copies.key)
    environment = world.with_kit(copies=store)
    traces = publish(world, 12)

    remove_published.fn(environment, RUN, traces, world.place.url(BILLING))

    assert len(Copies(environment, RUN).all()) == 12
    [entry, *_] = s3.list_objects_v2(Bucket="qa-copies")["Contents"]
    assert b"order" not in s3.get_object(Bucket="qa-copies", Key=entry["Key"])["Body"].read()
    world.place.copies_key.write_text("A" * 43 + "=")
    _message_copies._read.clear()  # as in a new process
    _message_copies._in_turn.clear()
    with pytest.raises(StepFailed, match="another key, or it was changed"):
        Copies(environment, RUN).all()


@pytest.mark.parametrize("queue", [INTAKE, INTAKE_FIFO])
def test_a_lost_reply_sends_nothing_twice(world: KitWorld, acting: Case, queue: str) -> None:
    """The queue took the batch and the answer was lost: it is found there, and the rest is sent."""
    traces = publish(world, 25)
    remove_published.fn(world.environment, RUN, traces, world.place.url(BILLING))
    break_calls(world, Rule("sqs.SendMessageBatch", "lose-reply", times=1))

    send_on(world.environment, RUN, world.place.url(queue), 1, 25)
    again = send_on(world.environment, RUN, world.place.url(queue), 1, 25)

    assert sorted(ours(world, queue)) == sorted(f"order {n}" for n in range(25))
    assert not again.changed


def test_a_batch_that_never_left_is_sent(world: KitWorld, acting: Case) -> None:
    """Killed between writing the intent and sending: the target holds as much as before, so it is sent now."""
    traces = publish(world, 5)
    remove_published.fn(world.environment, RUN, traces, world.place.url(BILLING))
    QueueJournal("qa", RUN).sending(sorted(traces.message_ids), 0)

    send_on.fn(world.environment, RUN, world.place.url(INTAKE), 1, 5)

    assert len(ours(world, INTAKE)) == 5


def test_what_may_have_been_consumed_is_not_sent_again(world: KitWorld, acting: Case) -> None:
    """Sent or not, nobody can tell once the target was worked on: it is reported, and never delivered twice."""
    traces = publish(world, 5)
    remove_published.fn(world.environment, RUN, traces, world.place.url(BILLING))
    QueueJournal("qa", RUN).sending(sorted(traces.message_ids), 3)  # it held three, which are gone

    effect = send_on.fn(world.environment, RUN, world.place.url(INTAKE), 1, 5)

    assert ours(world, INTAKE) == []
    assert "nobody can tell" in effect.detail
    assert len(Copies(world.environment, RUN).all()) == 5


def test_big_messages_go_in_smaller_batches(world: KitWorld, acting: Case) -> None:
    """SQS refuses a batch that is too large as a whole."""
    sqs, url = world.place.client("sqs"), world.place.url(BILLING)
    marks = {"run_id": {"DataType": "String", "StringValue": RUN}}
    ids = {
        sqs.send_message(QueueUrl=url, MessageBody=f"{n}" * 200_000, MessageAttributes=marks)["MessageId"]
        for n in range(3)
    }
    traces = RunTraces(run_id=RUN, message_ids=frozenset(ids))
    remove_published.fn(world.environment, RUN, traces, url)
    mover = Mover(
        QueueCalls(world.environment, world.place.url(INTAKE)), QueueJournal("qa", RUN), world.environment
    )

    sent, uncertain = mover.send(list(Copies(world.environment, RUN).all().values()))

    assert (sent, uncertain) == (3, 0)
    assert sorted(body[0] for body in ours(world, INTAKE)) == ["0", "1", "2"]
