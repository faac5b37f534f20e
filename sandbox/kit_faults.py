"""How test runs go wrong in the qa environment, as faults of the sandbox."""

from __future__ import annotations

from rules.errors import RecoveryRefused
from sandbox import kit_runs
from sandbox.test_kit.place import BILLING, BILLING_FIFO, INTAKE, QA, KitPlace
from sandbox.world import Sandbox

STRAY_RUN, HUNG_RUN, GOOD_RUN = "run-stray", "run-hung", "run-good"
COUNT, CONSUMED, DEAD_LETTERS = 24, 3, 2
"""Messages of the stray run; of these, taken by the queue's own consumer; failed by it until they were dead."""


def _place(sandbox: Sandbox, environment: str) -> KitPlace:
    if environment != QA:
        raise RecoveryRefused(
            f"This fault is one of the environment {QA}.", hint=f"Break it there: --environment {QA}."
        )
    return KitPlace(sandbox.home)


def publish_to_wrong_queue(sandbox: Sandbox, environment: str) -> None:
    """A run whose `.env` names the billing queue. Billing takes some of its messages before anybody notices."""
    place = _place(sandbox, environment)
    place.configure(BILLING)
    kit_runs.start(place, STRAY_RUN, "--count", str(COUNT), "--misbehave", "linger")
    kit_runs.wait_until_published(place, STRAY_RUN, COUNT)
    _consume(place, BILLING)


def publish_to_wrong_fifo(sandbox: Sandbox, environment: str) -> None:
    """The same with a FIFO queue, where nobody has consumed anything yet."""
    place = _place(sandbox, environment)
    place.configure(BILLING_FIFO)
    kit_runs.start(place, STRAY_RUN, "--count", str(COUNT), "--misbehave", "linger")
    kit_runs.wait_until_published(place, STRAY_RUN, COUNT)


def forget_stray_run(sandbox: Sandbox, environment: str) -> None:
    """End the run and point the kit at its own queue again; messages stay where they are."""
    place = _place(sandbox, environment)
    kit_runs.end_runs(place.home)
    place.configure(INTAKE)


def finish_a_run(sandbox: Sandbox, environment: str) -> None:
    """A run that went well: its messages are where they belong."""
    place = _place(sandbox, environment)
    kit_runs.start(place, GOOD_RUN).wait(timeout=60)


def hang_a_run(sandbox: Sandbox, environment: str) -> None:
    """A run that says nothing any more, is deaf to SIGTERM, and holds its lock."""
    place = _place(sandbox, environment)
    kit_runs.start(place, HUNG_RUN, "--count", "10", "--misbehave", "ignore-term")
    kit_runs.wait_until_published(place, HUNG_RUN, 10)
    sandbox.wait_for(
        lambda: len(kit_runs.processes_of(place, HUNG_RUN)) == 3, "the run and what it started hang"
    )


def _consume(place: KitPlace, queue: str) -> None:
    """The queue's own consumer: it handles some messages of the run, and fails on others until they are dead."""
    sqs, url = place.client("sqs"), place.url(queue)
    ours = [message.id for message in place.held(queue) if "run_id" in message.attributes]
    handled, failing = set(ours[:CONSUMED]), set(ours[CONSUMED : CONSUMED + DEAD_LETTERS])
    hidden: list[str] = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        again = [message for message in batch if message["MessageId"] in failing]
        for message in batch:
            if message["MessageId"] in handled:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            elif message not in again:
                hidden.append(message["ReceiptHandle"])
        _release(place, queue, [message["ReceiptHandle"] for message in again])
    _release(place, queue, hidden)


def _release(place: KitPlace, queue: str, handles: list[str]) -> None:
    for first in range(0, len(handles), 10):
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for number, handle in enumerate(handles[first : first + 10])
        ]
        place.client("sqs").change_message_visibility_batch(QueueUrl=place.url(queue), Entries=entries)
