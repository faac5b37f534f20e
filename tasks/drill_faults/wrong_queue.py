"""Drill fault: a test run sends its messages to a queue that is not the tests' own.

The run is the drill's: each message names it, and it has a folder among the artifacts, as every run has. There is no
process of it. What is in the queue besides is never touched.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.drills import FaultName
from rules.errors import RecoveryRefused, StepFailed
from rules.stray_messages import RunTraces, refuses_a_look, whose
from tasks._message_copies import Copies
from tasks._queue_calls import BATCH, QueueCalls
from tasks._queue_journal import QueueJournal
from tasks._queue_sweep import Sweep
from tasks._run_folders import RECORD, SPANS, read_traces
from tasks._whole_files import whole_file
from tasks.drill_faults.kind import DrillFault, Note, Wish
from tasks.kinds import in_parallel
from tasks.queues import queue_state

_RUN, _QUEUE, _BEGAN, _HOST = "run", "queue", "began", "host"
_CASE = "backstop-drill"
_COUNT = BATCH
"""Messages: what SQS takes in one call, so that it has all of them or none."""
_MOST_LOOKS = 2
"""Each look costs everybody's messages a try."""


def prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    """Which queue, and the name of the run.

    Permissions: sqs:GetQueueAttributes
    """
    kit, url = environment.test_kit, wish.queue
    named = kit.queue(url)
    if named is None or named.tests_publish:
        raise RecoveryRefused(
            f"{url} is {'where tests publish' if named else 'no queue of this environment'}.",
            hint="Correct `queue` in `drills.allowed`: one of `queues` without `tests_publish`.",
        )
    state = queue_state(environment, url)
    if not state.exists:
        raise RecoveryRefused(f"The queue {state.name} does not exist.", hint="Correct `drills.allowed`.")
    if refused := refuses_a_look(state):
        raise RecoveryRefused(f"{refused}.", hint="Drill with another queue, or raise its `maxReceiveCount`.")
    artifacts = Path(kit.artifacts).expanduser()
    if not artifacts.is_dir():
        raise RecoveryRefused(
            f"There is no folder {artifacts} on this host, {socket.gethostname()}.",
            hint="Drill where the test kit runs.",
        )
    began = datetime.now(UTC).isoformat()
    return {_RUN: wish.drill, _QUEUE: url, _BEGAN: began, _HOST: socket.gethostname()}


def inject(environment: Environment, note: Note) -> None:
    """Begin a run, send its messages, write down which they are, and end it.

    Permissions: sqs:SendMessage
    """
    folder = _folder(environment, note)
    record = {
        "run_id": note[_RUN],
        "case": _CASE,
        "host": note[_HOST],
        "began": datetime.fromisoformat(note[_BEGAN]).timestamp(),
    }
    with _disk(folder):
        folder.mkdir()
        _write(folder / RECORD, record)
    ids = _send(environment, note)
    spans = [
        {
            "name": "sqs.send",
            "run_id": note[_RUN],
            "correlation_id": _correlation(note, number),
            "message_id": one,
            "queue_url": note[_QUEUE],
        }
        for number, one in sorted(ids.items())
    ]
    with _disk(folder):
        _write(folder / SPANS, *spans)
        ended = datetime.now(UTC).timestamp()
        _write(folder / RECORD, {**record, "ended": ended, "exit_code": 0})
    if len(ids) < _COUNT:
        raise StepFailed(f"SQS took {len(ids)} of {_COUNT} messages.", hint="Drill again.")


def undo(environment: Environment, note: Note) -> str:
    """Take out what is left of exactly these messages, wherever they are, and remove the run's folder.

    A queue that a recovery has searched to its end is not searched again.

    Permissions: sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility,
        s3:PutObject, secretsmanager:GetSecretValue
    """
    folder = _folder(environment, note)
    if not folder.exists():
        if note[_HOST] != socket.gethostname():
            raise StepFailed(
                f"The drill's run is on the host {note[_HOST]}, this is {socket.gethostname()}.",
                hint=f"Let `backstop resume` run on {note[_HOST]}.",
            )
        return ""  # it is made before anything is sent, and goes last
    queues = _wherever(environment, note)
    left = sum(in_parallel([partial(_searched, environment, note, folder, url) for url in queues]))
    with _disk(folder):
        shutil.rmtree(folder)
    return f"{left} of its messages were still there" if left else ""


def _send(environment: Environment, note: Note) -> dict[int, str]:
    """Send the messages; their ids by number."""
    entries = [_entry(environment, note, number) for number in range(_COUNT)]
    client = environment.aws.client("sqs", write_once=True)
    with translated(f"send messages to {note[_QUEUE].rpartition('/')[2]}"):
        answer = client.send_message_batch(QueueUrl=note[_QUEUE], Entries=entries)
    return {int(sent["Id"]): str(sent["MessageId"]) for sent in answer.get("Successful", [])}


def _entry(environment: Environment, note: Note, number: int) -> Any:
    kit, correlation = environment.test_kit, _correlation(note, number)
    marks = {kit.run_attribute: note[_RUN], kit.correlation_attribute: correlation}
    entry: dict[str, Any] = {
        "Id": str(number),
        "MessageBody": json.dumps({"type": _CASE, "drill": note[_RUN], "number": number}),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": text} for name, text in marks.items()
        },
    }
    if note[_QUEUE].endswith(".fifo"):
        entry |= {"MessageGroupId": note[_RUN], "MessageDeduplicationId": correlation}
    return entry


def _correlation(note: Note, number: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"{note[_RUN]}-{number}"))


def _wherever(environment: Environment, note: Note) -> list[str]:
    """The queues in which messages of the run may be: where a recovery sends them on to only if one has."""
    wrong = note[_QUEUE]
    found = [wrong, queue_state(environment, wrong).dead_letters]
    moves = QueueJournal(environment.name, note[_RUN]).moves()
    if moves.sent or moves.pending or moves.uncertain:
        targets = environment.test_kit.targets
        found += [
            url for target in targets for url in (target, queue_state(environment, target).dead_letters)
        ]
    return [url for url in found if url]


def _searched(environment: Environment, note: Note, folder: Path, url: str) -> int:
    """Search a queue for the run's messages unless that is done; how many were taken out.

    Raises:
        StepFailed: some may be left, in a consumer's hands or behind messages that would die of one more look.
    """
    journal, calls = QueueJournal(environment.name, note[_RUN]), QueueCalls(environment, url)
    told = journal.accounts().get(url, {})
    if told and not told["out_of_reach"]:
        return 0
    looks = int(told.get("looks", 0))
    if looks < _MOST_LOOKS:
        traces = RunTraces(
            run_id=note[_RUN],
            began=datetime.fromisoformat(note[_BEGAN]),
            message_ids=read_traces(folder, ()).message_ids,
        )
        copies = Copies(environment, note[_RUN])
        found = Sweep(calls, journal, copies, partial(whose, traces=traces), spend=False).run()
        hidden = min(found.out_of_reach, max(_COUNT - len(copies.all()), 0))
        told = {
            "consumed": [],
            "out_of_reach": hidden or len(found.brink),
            "unclear": len(found.unclear),
            "looks": _MOST_LOOKS if found.brink else looks + 1,
        }
        journal.account(url, told)
        if not told["out_of_reach"]:
            return len(found.removed)
    raise StepFailed(
        f"Messages of {note[_RUN]} may be left in {calls.name}: {told['out_of_reach']} could not be looked at.",
        hint=f"Others' are in their place. Take out by hand what has `{environment.test_kit.run_attribute}` "
        f"= {note[_RUN]}, then remove {folder}.",
    )


def _folder(environment: Environment, note: Note) -> Path:
    return Path(environment.test_kit.artifacts).expanduser() / note[_RUN]


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StepFailed(
            f"The folder {folder} cannot be changed: {type(error).__name__}.",
            hint="Give Backstop's user the right to.",
        ) from error


def _write(path: Path, *lines: dict[str, Any]) -> None:
    """Write a file of one JSON document a line: all of it, or nothing."""
    with whole_file(path) as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())


WRONG_QUEUE = DrillFault(FaultName.WRONG_QUEUE, prepare, inject, undo)
