"""Sending copies on to the right queue, each once: over a lost reply and over our own death.

SQS has no idempotent send for standard queues. So each sent message carries the id of the one it was copied from, and
what a dead run was about to send is looked for by it. A FIFO queue deduplicates for five minutes besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.stray_messages import refuses_a_look
from tasks._message_copies import Copy
from tasks._queue_calls import BATCH, QueueCalls, Received, as_attributes
from tasks._queue_journal import QueueJournal
from tasks._queue_sweep import EMPTY_ANSWERS, SHORTEST_HOLD
from tasks.kinds import in_parallel

MOVED_FROM = "backstop_moved_from"
"""The attribute that names the message's first id."""

_MOST_ATTRIBUTES = 10
_MOST_BYTES = 250_000
"""SQS takes 256 KiB a batch; the rest is for attributes."""


class Mover:
    """Sends to one queue."""

    def __init__(self, calls: QueueCalls, journal: QueueJournal, environment: Environment) -> None:
        self._calls, self._journal = calls, journal
        self._sqs = environment.aws.client("sqs", write_once=True)

    def send(self, messages: Sequence[Copy]) -> tuple[int, int]:
        """Send what was not sent yet. How many were sent now, and of how many nobody can tell."""
        moves = self._journal.moves()
        pending = [message.id for message in messages if message.id in moves.pending]
        if pending:
            self._settle(pending, max(moves.pending[one] for one in pending))
            moves = self._journal.moves()
        left = [m for m in messages if m.id not in moves.sent and m.id not in moves.uncertain]
        if left:
            self._send(left)
        return len(left), sum(message.id in moves.uncertain for message in messages)

    def _send(self, messages: Sequence[Copy]) -> None:
        """Write the intent, send, write what SQS took; the rest stays an intent that is settled first next time."""
        state = self._calls.state()
        if not state.exists:
            raise StepFailed(
                f"The queue {self._calls.name} does not exist.",
                hint="The copies are kept: name another queue.",
            )
        self._journal.sending([message.id for message in messages], state.total)
        calls = [partial(self._batch, batch) for batch in _batches(messages)]
        # A FIFO queue's order is that of its sends.
        refused = [call() for call in calls] if state.fifo else in_parallel(calls)
        if told := next(filter(None, refused), None):
            raise told

    def _batch(self, batch: Sequence[Copy]) -> StepFailed | None:
        """Send some at once; what SQS refused of them is returned as an error."""
        entries = [self._entry(number, message) for number, message in enumerate(batch)]
        with translated(f"send messages on to {self._calls.name}"):
            answer = self._sqs.send_message_batch(QueueUrl=self._calls.url, Entries=entries)
        self._journal.sent([batch[int(done["Id"])].id for done in answer.get("Successful", [])])
        failed = answer.get("Failed", [])
        if not failed:
            return None
        told = f"{len(failed)} of {len(batch)} messages were refused: {failed[0].get('Message', '')}."
        if any(one.get("SenderFault") for one in failed):
            return StepFailed(told, hint="The copies are kept.")
        return TransientFailure(told, hint="It is tried again.")

    def _entry(self, number: int, message: Copy) -> dict[str, Any]:
        attributes = as_attributes(message)
        if len(attributes) < _MOST_ATTRIBUTES:
            attributes[MOVED_FROM] = {"DataType": "String", "StringValue": message.id}
        entry: dict[str, Any] = {
            "Id": str(number),
            "MessageBody": message.body,
            "MessageAttributes": attributes,
        }
        if message.trace:
            entry["MessageSystemAttributes"] = {
                "AWSTraceHeader": {"DataType": "String", "StringValue": message.trace}
            }
        if self._calls.url.endswith(".fifo"):
            entry |= {"MessageGroupId": message.group or message.id, "MessageDeduplicationId": message.id}
        return entry

    def _settle(self, pending: Sequence[str], total_before: int) -> None:
        """Find out which of these were sent by a run whose answer, or whose life, was lost.

        Found by their first id: sent. Not found, while nothing was taken from the queue and nobody holds a message of
        it: not sent. Else nobody can tell.
        """
        state = self._calls.state()
        if state.exists and (refused := refuses_a_look(state)):
            raise StepFailed(
                f"Whether {len(pending)} messages were sent cannot be looked up: {refused}.",
                hint="Look at the target by hand; the copies are kept.",
            )
        try:
            seen = self._look()
        except NotThere:
            seen = set()
        there = [one for one in pending if one in seen]
        missing = [one for one in pending if one not in seen]
        self._journal.sent(there)
        untouched = state.exists and not state.hidden and state.total >= total_before + len(there)
        if missing and not untouched:
            self._journal.uncertain(missing)

    def _look(self) -> set[str]:
        """First ids of all messages in the target; each is received once, and given back."""
        held: list[Received] = []
        empty = 0
        try:
            while empty < EMPTY_ANSWERS:
                batch = self._calls.receive(SHORTEST_HOLD)
                held += batch
                empty = 0 if batch else empty + 1
        finally:
            self._calls.hide([message.handle for message in held], 0)
        marks = (message.copy.attributes.get(MOVED_FROM) for message in held)
        return {mark.value for mark in marks if mark}


def _batches(messages: Sequence[Copy]) -> Iterator[list[Copy]]:
    """As many at once as SQS takes, by number and by size."""
    batch: list[Copy] = []
    size = 0
    for message in messages:
        own = len(message.body.encode()) + sum(len(n) + len(a.value) for n, a in message.attributes.items())
        if batch and (len(batch) == BATCH or size + own > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += own
    if batch:
        yield batch
