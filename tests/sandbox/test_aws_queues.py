"""The sandbox's SQS: what moto gets wrong for somebody who takes single messages out, right here."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.test_kit.place import BILLING, BILLING_FIFO, INTAKE, MAX_RECEIVES, OTHERS, KitPlace, dead


def receive(qa: KitPlace, queue: str, **more: Any) -> list[dict[str, Any]]:
    """Up to ten messages with everything that SQS tells of them."""
    asked = {"QueueUrl": qa.url(queue), "MaxNumberOfMessages": 10, "AttributeNames": ["All"], **more}
    found: list[dict[str, Any]] = qa.client("sqs").receive_message(**asked).get("Messages", [])
    return found


def test_other_peoples_messages_are_there(qa: KitPlace) -> None:
    """Looking from outside shows every message, receives none, and hides none."""
    assert len(qa.held(BILLING)) == OTHERS
    assert {m.receives for m in qa.held(BILLING)} == {0}
    assert all(m.visible for m in qa.held(BILLING))


def test_two_callers_never_get_the_same_message(qa: KitPlace) -> None:
    """Moto 5.2.5 lets four threads delete more messages than there were; here each is received and deleted once."""
    sqs, url = qa.client("sqs"), qa.url(INTAKE)
    for first in range(0, 400, 10):
        entries = [{"Id": str(n), "MessageBody": f"{first + n}"} for n in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def sweep(_: int) -> list[str]:
        mine = []
        while batch := receive(qa, INTAKE):
            handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(batch)]
            done = sqs.delete_message_batch(QueueUrl=url, Entries=handles)["Successful"]
            assert len(done) == len(batch)
            mine += [m["Body"] for m in batch]
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [body for bodies in pool.map(sweep, range(4)) for body in bodies]

    assert sorted(taken, key=int) == [str(n) for n in range(400)]
    assert qa.held(INTAKE) == []


def test_an_old_receipt_handle_deletes_nothing(qa: KitPlace) -> None:
    """A message that came back after its time belongs to whoever received it last; moto deletes it nevertheless."""
    first = receive(qa, BILLING, VisibilityTimeout=1, MaxNumberOfMessages=1)[0]
    time.sleep(1.1)
    while not any(m["MessageId"] == first["MessageId"] for m in receive(qa, BILLING, VisibilityTimeout=30)):
        pass

    qa.client("sqs").delete_message(QueueUrl=qa.url(BILLING), ReceiptHandle=first["ReceiptHandle"])

    assert first["MessageId"] in {m.id for m in qa.held(BILLING)}


def test_a_group_waits_for_its_first_messages(qa: KitPlace) -> None:
    """While messages of a FIFO group are in flight nobody gets later ones; released, they come in their order again."""
    sqs, url = qa.client("sqs"), qa.url(BILLING_FIFO)
    batch = receive(qa, BILLING_FIFO, MaxNumberOfMessages=3)
    groups = {m["Attributes"]["MessageGroupId"] for m in batch}

    others = receive(qa, BILLING_FIFO)
    assert groups.isdisjoint({m["Attributes"]["MessageGroupId"] for m in others})

    for message in (*batch, *others):
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    again = [(m["Attributes"]["MessageGroupId"], m["MessageId"]) for m in receive(qa, BILLING_FIFO)]
    assert [group for group, _ in again] == sorted(group for group, _ in again)
    for group in {group for group, _ in again}:
        mine = [one for name, one in again if name == group]
        assert mine == [m.id for m in qa.held(BILLING_FIFO) if m.group == group][: len(mine)]


def test_a_deduplication_id_outlives_its_message(qa: KitPlace) -> None:
    """A repeated send within five minutes delivers nothing, even when the first message is gone; moto forgets it."""
    sqs, url = qa.client("sqs"), qa.url(BILLING_FIFO)
    words = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "once", "MessageDeduplicationId": "one"}
    sqs.send_message(**words)
    [kept] = [m for m in qa.held(BILLING_FIFO) if m.group == "once"]
    while not (mine := [m for m in receive(qa, BILLING_FIFO) if m["MessageId"] == kept.id]):
        pass
    sqs.delete_message(QueueUrl=url, ReceiptHandle=mine[0]["ReceiptHandle"])

    sqs.send_message(**words)

    assert [m for m in qa.held(BILLING_FIFO) if m.group == "once"] == []


def test_a_message_received_too_often_dies(qa: KitPlace) -> None:
    """After `maxReceiveCount` receives the next one does not deliver it: it is in the dead-letter queue, same id."""
    ids = {m.id for m in qa.held(BILLING)}
    for _ in range(MAX_RECEIVES):
        while receive(qa, BILLING, VisibilityTimeout=0) and min(m.receives for m in qa.held(BILLING)) < 1:
            pass
    for _ in range(MAX_RECEIVES * 3):
        receive(qa, BILLING, VisibilityTimeout=0)

    assert receive(qa, BILLING) == []
    assert ids <= {m.id for m in qa.held(dead(BILLING))}


@pytest.mark.parametrize("queue", [BILLING, BILLING_FIFO])
def test_a_reset_brings_every_message_back(qa: KitPlace, queue: str) -> None:
    """A kept moment holds queues as well, and they can be waited on afterwards."""
    from sandbox.world import Sandbox

    box = Sandbox.load(qa.home.path)
    before = [m.id for m in qa.held(queue)]
    box.keep("queues")
    sqs, url = qa.client("sqs"), qa.url(queue)
    for message in receive(qa, queue):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    box.reset("queues")

    assert [m.id for m in qa.held(queue)] == before
    assert receive(qa, queue, WaitTimeSeconds=1)
