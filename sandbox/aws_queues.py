"""Where moto's SQS differs from AWS in ways that matter to somebody who takes single messages out, put right.

moto looks at every message for every call (10,000 cannot be swept), lets two callers delete the same message twice,
deletes by a receipt handle that is out of date, forgets a deduplication id once its message is gone, numbers a FIFO
queue's messages at random, and does not give them group by group. It draws each letter of a receipt handle by itself.
"""

from __future__ import annotations

import copy
import itertools
import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from wsgiref.types import StartResponse

PEEK_PATH = "/sandbox-queues/"
"""Below it: what a queue holds, without receiving anything."""

REMEMBERED_SECONDS = 300
"""So long AWS knows a deduplication id."""

_HANDLE_BYTES = 92


def install() -> None:
    """Correct moto in this process."""
    from moto.sqs import models

    names: Any = models
    queue, backend = names.Queue, names.SQSBackend
    queue._messages = property(_get_shelf, _set_shelf)  # noqa: SLF001 - moto offers no hook
    queue.attributes = property(_Attributes)
    queue.add_message = _add_message
    queue.delete_message = _delete_message
    backend.receive_message = _receive_message
    backend.change_message_visibility = _change_message_visibility
    names.generate_receipt_handle = _new_handle


def peek(path: str, start_response: StartResponse) -> Iterable[bytes]:
    """Everything a queue holds, oldest first, as JSON: an independent look that no receive count shows."""
    from moto.sqs.models import sqs_backends

    account, region, name = path.removeprefix(PEEK_PATH).split("/")
    queue = sqs_backends[account][region].queues.get(name)
    found = [] if queue is None else [_told(message) for message in queue._messages]  # noqa: SLF001 - our own shelf
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _told(message: Any) -> dict[str, Any]:
    return {
        "id": message.id,
        "body": message.body,
        "attributes": {
            name: value.get("StringValue", "") for name, value in message.message_attributes.items()
        },
        "group": message.group_id or "",
        "receives": message.approximate_receive_count,
        "visible": _is_visible(message, time.time() * 1000),
    }


class _Shelf:
    """The messages of a queue, in order, found by id and by every receipt handle they ever had."""

    def __init__(self, messages: Iterable[Any] = ()) -> None:
        self.by_id = {message.id: message for message in messages}
        self.by_handle: dict[str, Any] = {}
        self.deduplicated: dict[str, float] = {}
        self.sequence = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self.by_id.values()))

    def __len__(self) -> int:
        return len(self.by_id)

    def append(self, message: Any) -> None:
        """Put a message at the end."""
        self.by_id[message.id] = message

    def remove(self, message: Any) -> None:
        """Take a message out; its handles are remembered."""
        self.by_id.pop(message.id, None)


class _Attributes(Mapping[str, Any]):
    """A queue's attributes, each worked out when it is asked for."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._names = [
            *queue.BASE_ATTRIBUTES,
            *(queue.FIFO_ATTRIBUTES if queue.fifo_queue else ()),
            *(queue.KMS_ATTRIBUTES if queue.kms_master_key_id else ()),
        ]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Any:
        from moto.core.utils import camelcase_to_underscores

        if name not in self._names:
            raise KeyError(name)
        if name.startswith("ApproximateNumberOfMessages"):
            return self._count(name)
        value = getattr(self._queue, camelcase_to_underscores(name))
        if name == "RedrivePolicy" and value:
            return json.dumps(value)
        return str(value).lower() if isinstance(value, bool) else value

    def _count(self, name: str) -> int:
        now, held = time.time() * 1000, self._queue._messages.by_id.values()  # noqa: SLF001 - our own shelf
        with self._queue._messages_lock:  # noqa: SLF001 - moto's own lock of the queue
            if name.endswith("Delayed"):
                return sum(now < message.delayed_until for message in held)
            if name.endswith("NotVisible"):
                return sum(now < message.visible_at for message in held)
            return sum(_is_visible(message, now) for message in held)


def _get_shelf(self: Any) -> _Shelf:
    shelf: _Shelf = self.__dict__["shelf"]
    return shelf


def _set_shelf(self: Any, messages: Iterable[Any]) -> None:
    before = self.__dict__.get("shelf")
    shelf = self.__dict__["shelf"] = _Shelf(messages)
    if before is not None:
        shelf.deduplicated, shelf.sequence = before.deduplicated, before.sequence


def _is_visible(message: Any, now: float) -> bool:
    return bool(now >= message.visible_at and now >= message.delayed_until)


def _add_message(self: Any, message: Any) -> None:
    """A repeated deduplication id is accepted and not delivered, whatever became of the first message."""
    shelf, now = self._messages, time.time()
    with self._messages_lock:
        if self.fifo_queue and message.deduplication_id:
            if now - shelf.deduplicated.get(message.deduplication_id, 0.0) < REMEMBERED_SECONDS:
                return
            shelf.deduplicated[message.deduplication_id] = now
        if self.fifo_queue:
            shelf.sequence += 1
            message.sequence_number = f"{shelf.sequence:020}"
        shelf.append(message)
        self._messages_lock.notify_all()


def _delete_message(self: Any, receipt_handle: str) -> None:
    """AWS answers well to an old handle and need not delete: here it never does."""
    from moto.sqs.exceptions import ReceiptHandleIsInvalid

    with self._messages_lock:
        message = self._messages.by_handle.get(receipt_handle)
        if message is None:
            raise ReceiptHandleIsInvalid
        if message.receipt_handle == receipt_handle:
            self._messages.remove(message)


def _new_handle() -> str:
    return secrets.token_hex(_HANDLE_BYTES)


def _receive_message(
    self: Any,
    queue_name: str,
    count: int,
    wait_seconds_timeout: int,
    visibility_timeout: int,
    message_attribute_names: list[str] | None = None,
) -> list[Any]:
    from moto.sqs.models import _filter_message_attributes

    queue, until = self.get_queue(queue_name), time.monotonic() + wait_seconds_timeout
    with queue._messages_lock:  # noqa: SLF001 - moto's own lock of the queue
        while True:
            taken = [copy.copy(message) for message in _take(queue, count, visibility_timeout)]
            left = until - time.monotonic()
            if taken or left <= 0:
                break
            queue._messages_lock.wait(min(left, 0.1))  # noqa: SLF001 - as above
    for message in taken:
        _filter_message_attributes(message, message_attribute_names or [])
    return taken


def _take(queue: Any, count: int, visibility_timeout: int) -> list[Any]:
    """Up to `count` visible messages; what was received too often goes to the dead-letter queue in passing."""
    shelf, now = queue._messages, time.time() * 1000  # noqa: SLF001 - our own shelf
    taken: list[Any] = []
    dead: list[Any] = []
    most = queue.redrive_policy["maxReceiveCount"] if queue.dead_letter_queue and queue.redrive_policy else 0
    for message in _in_turn(queue, (m for m in shelf.by_id.values() if _is_visible(m, now))):
        if len(taken) >= count:
            break
        if most and message.approximate_receive_count >= most:
            dead.append(message)
            continue
        message.mark_received(visibility_timeout=visibility_timeout)
        shelf.by_handle[message.receipt_handle] = message
        taken.append(message)
    for message in dead:
        shelf.remove(message)
        queue.dead_letter_queue._messages.append(message)  # noqa: SLF001 - our own shelf
    return taken


def _in_turn(queue: Any, visible: Iterable[Any]) -> Iterable[Any]:
    """A FIFO queue gives as many of one group as there are, then of the next; none of a group that is in flight."""
    if not queue.fifo_queue:
        return visible
    now = time.time() * 1000
    busy = {message.group_id for message in queue._messages if now < message.visible_at}  # noqa: SLF001 - our own shelf
    groups: dict[str, list[Any]] = {}
    for message in visible:
        if message.group_id not in busy:
            groups.setdefault(message.group_id, []).append(message)
    return itertools.chain.from_iterable(groups.values())


def _change_message_visibility(
    self: Any, queue_name: str, receipt_handle: str, visibility_timeout: int
) -> None:
    """Only the newest handle of a message that is in flight counts."""
    from moto.sqs.exceptions import ReceiptHandleIsInvalid

    queue = self.get_queue(queue_name)
    with queue._messages_lock:  # noqa: SLF001 - moto's own lock of the queue
        message = queue._messages.by_handle.get(receipt_handle)  # noqa: SLF001 - our own shelf
        if message is None or message.id not in queue._messages.by_id:  # noqa: SLF001 - as above
            raise ReceiptHandleIsInvalid
        if message.receipt_handle != receipt_handle or _is_visible(message, time.time() * 1000):
            raise ReceiptHandleIsInvalid
        message.visible_at = time.time() * 1000 + int(visibility_timeout) * 1000
        if not int(visibility_timeout):
            queue._messages_lock.notify_all()  # noqa: SLF001 - as above


def new_condition(_: Any, __: dict[int, Any]) -> threading.Condition:
    """A condition for a copied queue: it cannot be copied itself."""
    return threading.Condition()
