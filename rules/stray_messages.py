"""Whose a message in a queue is: the stray run's, somebody else's, or not to be told. Only the first may be removed.

Runbook source: 000, scenario 2 «Published to Wrong Queue». Its `purge-queue` takes everybody's messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rules.outcomes import Check, Verdict
from rules.values import Frozen

CLOCKS = timedelta(seconds=5)
"""The run's clock and the queue's may differ by so much."""


class RunTraces(Frozen):
    """What is known of a run's messages: told by its artifacts, or given by a person. Moments are UTC."""

    run_id: str
    message_ids: frozenset[str] = frozenset()
    """As SQS answered them to the run."""
    correlation_ids: frozenset[str] = frozenset()
    began: datetime | None = None
    ended: datetime | None = None
    """None: it may still run."""
    queues: tuple[str, ...] = ()
    """Where it sent to beside the queues that are meant for it, by its own word."""
    sent: dict[str, int] = {}
    """How many messages it sent to each of these."""

    @property
    def can_be_told(self) -> bool:
        """Whether anything but the time marks its messages."""
        return bool(self.run_id or self.message_ids or self.correlation_ids)


@dataclass(frozen=True, slots=True)
class Marks:
    """What a received message shows of where it came from. Its body stays outside."""

    message_id: str
    run_id: str = ""
    correlation_id: str = ""
    sent_at: datetime | None = None


class Whose(StrEnum):
    """Whose a message is."""

    OURS = "the run's"
    OTHERS = "somebody else's"
    UNCLEAR = "not to be told"


def whose(marks: Marks, traces: RunTraces) -> Whose:
    """Whose a message is. Time alone never makes it the run's.

    The run's are those whose id SQS gave to the run, and those that name the run and were sent in its time (a run that
    is killed between sending and writing tells of fewer than it sent). A correlation id alone may have been handed on
    by a consumer: it suffices only where a person gave it, no ids are known, and the time fits.
    """
    if marks.run_id and traces.run_id and marks.run_id != traces.run_id:
        return Whose.OTHERS
    if marks.message_id in traces.message_ids:
        return Whose.OURS
    in_time = _in_its_time(marks.sent_at, traces)
    if marks.run_id and marks.run_id == traces.run_id:
        return Whose.OURS if in_time else Whose.UNCLEAR
    if marks.correlation_id and marks.correlation_id in traces.correlation_ids:
        return Whose.OURS if in_time and not traces.message_ids else Whose.UNCLEAR
    return Whose.OTHERS


def _in_its_time(sent_at: datetime | None, traces: RunTraces) -> bool:
    if sent_at is None or traces.began is None or sent_at < traces.began - CLOCKS:
        return False
    return traces.ended is None or sent_at <= traces.ended + CLOCKS


class QueueState(Frozen):
    """What SQS says of a queue. Counts are approximate there."""

    url: str
    exists: bool = True
    visible: int = 0
    hidden: int = 0
    """Received by somebody and neither deleted nor visible again."""
    delayed: int = 0
    max_receives: int | None = None
    """None: its messages never die."""
    dead_letters: str = ""
    visibility_seconds: int = 30

    @property
    def fifo(self) -> bool:
        """Whether order is promised."""
        return self.url.endswith(".fifo")

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.hidden + self.delayed

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.url.rpartition("/")[2]


def costs_the_last_try(receives: int, max_receives: int | None) -> bool:
    """Whether a message that was received so often, by us just now among them, dies instead of being delivered."""
    return max_receives is not None and receives >= max_receives


def refuses_a_look(state: QueueState) -> str:
    """Why a queue must not be searched; empty when it may be.

    Searching receives every message once. Where one receive is all they have, everybody's would die of it.
    """
    if costs_the_last_try(1, state.max_receives):
        return (
            f"{state.name} lets a message be received {state.max_receives} time: searching it would send everybody's "
            "messages to its dead-letter queue"
        )
    return ""


def looks_left(receives: int, max_receives: int | None) -> bool:
    """Whether one more look leaves its messages a try, when the one received most has `receives`."""
    return not costs_the_last_try(receives + 1, max_receives)


class Tally(Frozen):
    """What became of a run's messages, and of others' beside them."""

    published: int | None
    """As the run tells; None: it does not."""
    removed: int = 0
    moved: int = 0
    uncertain: int = 0
    """Whether they were sent on cannot be told any more; they are not sent again."""
    consumed: int = 0
    unknown: int = 0
    """In somebody's hands, or out of reach behind others' messages."""
    unclear: int = 0
    """Left in place: they carry a mark of the run, and nothing proves that it sent them."""

    def __str__(self) -> str:
        known = f"{self.published} published" if self.published is not None else "published: unknown"
        parts = [
            known,
            f"{self.removed} removed",
            f"{self.moved} sent on",
            f"{self.consumed} consumed already",
        ]
        parts += [f"{self.unknown} unknown"] if self.unknown else []
        parts += [f"{self.unclear} unclear and left in place"] if self.unclear else []
        parts += [f"{self.uncertain} perhaps sent on, not sent again"] if self.uncertain else []
        return ", ".join(parts)


def tally(
    traces: RunTraces,
    removed: frozenset[str],
    *,
    moved: int = 0,
    uncertain: int = 0,
    out_of_reach: int = 0,
    unclear: int = 0,
) -> Tally:
    """Count. What SQS still hides or keeps back may be the run's: up to so many are unknown, not consumed."""
    missing = len(traces.message_ids - removed)
    unknown = min(missing, out_of_reach)
    return Tally(
        published=len(traces.message_ids | removed) if traces.message_ids else None,
        removed=len(removed),
        moved=moved,
        uncertain=uncertain,
        consumed=missing - unknown,
        unknown=unknown,
        unclear=unclear,
    )


def judge_queue(state: QueueState, dead: QueueState | None, missing: int | None, *, searched: bool) -> Check:
    """Whether messages of the run may still be in a queue it should not have used, or in its dead-letter queue.

    `missing` are those nobody has accounted for; None: the run does not tell how many it sent. `searched`: it was
    gone through after the run had ended.
    """
    name = f"strays in {state.name}"
    wanted = "no message of the run"
    if not state.exists:
        return Check(
            name=name, verdict=Verdict.PASS, reason="the queue does not exist any more", wanted=wanted
        )
    total = state.total + (dead.total if dead else 0)
    if missing == 0 or (searched and missing is None):
        return Check(name=name, verdict=Verdict.PASS, reason="all are accounted for", wanted=wanted)
    if total == 0:
        return Check(name=name, verdict=Verdict.PASS, reason="it is empty: all were consumed", wanted=wanted)
    told = f"{missing} messages" if missing is not None else "an unknown number of messages"
    return Check(
        name=name,
        verdict=Verdict.FAIL,
        reason=f"{told} of the run went there, and it holds {total} of all",
        wanted=wanted,
        seen=str(total),
    )
