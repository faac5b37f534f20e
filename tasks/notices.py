"""Messages to people, through the channels of an environment, each sent once.

A notice's intent is written to the ledger before it is sent and the result after, so a run that dies in between
leaves a question: did it arrive? Pages are then sent again (at least once: two are better than none); opening and
closing notices are not (at most once: a stale «it begins» misleads). Every message carries a reference that is the
same each time, for receivers that fold repetitions.

A channel that fails, or does not answer within five seconds, stops nothing: it is written to the timeline, and the
other channels are told at the same time.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import ModuleType

from sqlalchemy import select
from sqlalchemy.orm import Session

from blocks.aws_account import AwsAccount
from blocks.secret_reference import SecretReference
from ledger import timeline
from ledger.cases import now
from ledger.models import IncidentRow, NoticeRow
from rules.errors import BackstopError
from rules.escalation import Message
from rules.outcomes import Phase
from rules.redaction import redact

LIMIT_SECONDS = 5.0
"""How long all channels together may take."""

LOADING_SECONDS = 30.0
"""For Apprise to be imported, once in a process: a quarter of a second, on a machine that has time."""

CLAIM_SECONDS = 15.0
"""For so long a page is left to whoever began to send it; then another may send it again."""

Writing = Callable[[str], AbstractContextManager[Session]]
"""Opens a named transaction: `Case.writing`, which is fenced, or `Ledger.session`, which is not."""

_loaded = threading.Event()
_loading: list[float] = []


class Mood(StrEnum):
    """How a message looks in a channel: Apprise's own words."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one incident. `kind` is opening, closing, approval-<digest> or page-<level>: sent once each."""

    incident_id: str
    kind: str
    message: Message
    mood: Mood = Mood.INFO
    insist: bool = False
    """Send again when it is not known whether it arrived."""

    @property
    def text(self) -> str:
        """The body, with the reference by which a repetition is recognised."""
        return f"{redact(self.message.body)}\n\nRef: {self.incident_id}/{self.kind}"


@dataclass(slots=True)
class Sending:
    """A notice on its way; `finish` waits for it and writes what became of it."""

    notice: Notice
    writing: Writing
    channels: Sequence[SecretReference]
    until: float
    answers: queue.SimpleQueue[tuple[str, str]] = field(default_factory=queue.SimpleQueue)

    @property
    def answered(self) -> bool:
        """Whether every channel has answered: `finish` would not wait."""
        return self.answers.qsize() >= len(self.channels)

    def finish(self) -> bool:
        """Wait for the rest of the five seconds at most; True: at least one channel took it."""
        waiting = [str(channel) for channel in self.channels]
        told, errors = 0, []
        if waiting:
            _loaded.wait(LOADING_SECONDS)
            self.until = max(self.until, _loaded_at() + LIMIT_SECONDS)
        while waiting:
            try:
                channel, error = self.answers.get(timeout=max(0.0, self.until - time.monotonic()))
            except queue.Empty:
                errors += [f"{channel}: no answer within {LIMIT_SECONDS:g} s" for channel in waiting]
                break
            waiting.remove(channel)
            told += not error
            errors += [f"{channel}: {error}"] if error else []
        self._keep(told, "; ".join(errors) or ("" if self.channels else "no channel is configured"))
        return told > 0

    def _keep(self, told: int, error: str) -> None:
        kind = self.notice.kind
        with self.writing(f"the {kind} notice was sent") as session:
            row = _row(session, self.notice.incident_id, kind)
            if row is None:
                return
            row.channels, row.error = told, redact(error)
            row.sent_at = now() if told else None
            name = name_of(kind)
            said = f"{name}: told {told} of {len(self.channels)} channels" + (f"; {error}" if error else "")
            update = self.notice.message.model_dump(mode="json", exclude={"where"})
            _note(session, self.notice.incident_id, "notice", said, update if told else None)


def name_of(kind: str) -> str:
    """A notice's kind as people say it: `page-2` is «page, level 2»."""
    if kind.startswith("page-"):
        return f"page, level {kind[5:]}"
    return "request for approval" if kind.startswith("approval-") else f"{kind} notice"


def begin(
    writing: Writing, notice: Notice, channels: Sequence[SecretReference], account: AwsAccount | None
) -> Sending | None:
    """Begin to tell every channel at the same time; None when it was told before, or by somebody else just now."""
    if not channels and not notice.insist:
        return None
    if not _claimed(writing, notice):
        return None
    sending = Sending(notice, writing, list(channels), time.monotonic() + LIMIT_SECONDS)
    for channel in channels:
        threading.Thread(
            target=tell_channel, args=(channel, account, notice, sending.answers), name="notice", daemon=True
        ).start()
    return sending


def tell(
    writing: Writing, notice: Notice, channels: Sequence[SecretReference], account: AwsAccount | None
) -> bool:
    """Tell every channel and wait for it. True: somebody was told, now or before."""
    sending = begin(writing, notice, channels, account)
    if sending is not None:
        return sending.finish()
    with writing("was it told before") as session:
        row = _row(session, notice.incident_id, notice.kind)
        return row is not None and row.sent_at is not None


def _claimed(writing: Writing, notice: Notice) -> bool:
    """Write the intent. False: it was sent before, or nobody knows and it is not to be repeated."""
    while True:
        with writing(f"the {notice.kind} notice: intent") as session:
            session.get(IncidentRow, notice.incident_id, with_for_update=True)  # one at a time
            row = _row(session, notice.incident_id, notice.kind)
            if row is None:
                row = NoticeRow(incident_id=notice.incident_id, kind=notice.kind, intent_at=now())
                row.title = redact(notice.message.title)
                session.add(row)
                return True
            if row.sent_at is not None:
                return False
            if not notice.insist:
                if not row.error:
                    row.error = "the run died while it was sent: it may not have arrived"
                    _note(session, notice.incident_id, "notice", f"{name_of(notice.kind)}: {row.error}")
                return False
            if row.error or now() - row.intent_at > timedelta(seconds=CLAIM_SECONDS):
                row.intent_at = now()
                return True
        time.sleep(0.5)  # somebody is sending it at this moment


def tell_channel(
    channel: SecretReference,
    account: AwsAccount | None,
    notice: Notice,
    answers: queue.SimpleQueue[tuple[str, str]],
) -> None:
    """Tell one channel. Its address is a secret, and so is every message of an error that may hold it."""
    try:
        apprise = _load()
        address = channel.read(account).get_secret_value()
        sender = apprise.Apprise()
        if not sender.add(address):
            answers.put((str(channel), "what is kept there is not an address Apprise knows"))
            return
        took = sender.notify(
            body=notice.text, title=redact(notice.message.title), notify_type=apprise.NotifyType(notice.mood)
        )
        answers.put((str(channel), "" if took else "did not take it"))
    except BackstopError as error:
        answers.put((str(channel), error.message))
    except Exception as error:  # noqa: BLE001 - whatever a channel does, the recovery goes on
        answers.put((str(channel), type(error).__name__))


def _load() -> ModuleType:
    """Apprise, imported only where somebody is told."""
    import apprise

    if not _loaded.is_set():
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would log addresses
        _loading.append(time.monotonic())
        _loaded.set()
    return apprise


def _loaded_at() -> float:
    return _loading[0] if _loading else 0.0


def _row(session: Session, incident_id: str, kind: str) -> NoticeRow | None:
    wanted = select(NoticeRow).where(NoticeRow.incident_id == incident_id, NoticeRow.kind == kind)
    return session.scalars(wanted).first()


def _note(
    session: Session, incident_id: str, kind: str, text: str, data: dict[str, object] | None = None
) -> None:
    phase = Phase(session.get_one(IncidentRow, incident_id).phase)
    timeline.append(session, incident_id, at=now(), phase=phase, kind=kind, text=text, data=data)
