"""Going through a queue once: the run's messages are copied and deleted, everybody else's are held and given back.

Holding is what makes it once: a message that is given back at once would come again and again. A FIFO group is locked
while one of its messages is held, so a FIFO queue is gone through in rounds, as many as others' messages can bear.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rules.stray_messages import Marks, QueueState, Whose, costs_the_last_try, looks_left
from tasks._message_copies import Copies
from tasks._queue_calls import BATCH, QueueCalls, Received
from tasks._queue_journal import QueueJournal
from tasks.kinds import in_parallel, pause, say, scaled

THREADS = 8
EMPTY_ANSWERS = 2
"""SQS asks all its servers when it may wait a second; so many empty answers at least end a search."""

CALL_SECONDS = 10
"""A message that a dead run was just receiving is hidden from then on; so long a call takes at most."""

GATHERED = 100
"""So many messages share one copy."""

SHORTEST_HOLD, LONGEST_HOLD = 30, 43_200
"""Seconds; the longest is SQS's own limit."""

SECONDS_A_MESSAGE = 0.02
"""A search takes less on a slow day; a hold that runs out is renewed."""

LATEST_SECONDS = 60.0
"""So long we wait for messages that are in somebody's hands."""


@dataclass(slots=True)
class Found:
    """What a search has seen so far. Messages are counted once, however often they came."""

    removed: set[str] = field(default_factory=set)
    others: dict[str, Received] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)
    out_of_reach: int = 0
    brink: set[str] = field(default_factory=set)
    """Others' messages that the next receive sends to the dead-letter queue."""


class Sweep:
    """One search of one queue."""

    def __init__(
        self,
        calls: QueueCalls,
        journal: QueueJournal,
        copies: Copies,
        judge: Callable[[Marks], Whose],
        *,
        spend: bool,
        keep_all: bool = False,
    ) -> None:
        self._calls, self._journal, self._copies, self._judge = calls, journal, copies, judge
        self._spend, self._keep_all = spend, keep_all
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._found, self._held_since = Found(), time.monotonic()
        self._hands: dict[str, str] = {}
        """Newest receipt handle of each message that we hide, by message id."""
        self._state = QueueState(url=calls.url)
        self._hold = SHORTEST_HOLD

    def run(self) -> Found:
        """Search. Whatever happens, what we held is given back."""
        self.give_back_what_a_dead_run_held()
        self._state = self._calls.state()
        if not self._state.exists:
            return self._found
        seconds = self._state.total * SECONDS_A_MESSAGE
        self._hold = int(min(max(SHORTEST_HOLD, seconds), LONGEST_HOLD))
        self._note([])
        try:
            if self._state.fifo:
                self._rounds()
            else:
                self._search(THREADS if self._state.total > 10 * BATCH else EMPTY_ANSWERS)
                self._wait_for_the_late()
        finally:
            self._give_back()
        return self._found

    def give_back_what_a_dead_run_held(self) -> None:
        """Make visible what a run before us hid and could not give back."""
        left = self._journal.held(self._calls.url)
        if left is None:
            return
        self._calls.hide(left.handles, 0)
        if self._calls.state().hidden:
            say(f"{self._calls.name}: waits for what a run that died had received and could not note.")
        while self._calls.state().hidden and time.time() < left.until + CALL_SECONDS:
            pause(1)
        self._journal.released(self._calls.url)

    def _rounds(self) -> None:
        """Of each group only the first ten can be seen. What is removed from them uncovers others, round by round."""
        self._search()
        while True:
            state, before = self._calls.state(), len(self._found.removed)
            self._found.out_of_reach = self._in_other_hands(state) + state.visible + state.delayed
            most = max((message.receives for message in self._found.others.values()), default=0)
            if not state.visible or not (self._spend or looks_left(most, self._state.max_receives)):
                return
            for group in sorted({message.copy.group for message in self._found.others.values()}):
                mine = [self._hands[m.copy.id] for m in self._found.others.values() if m.copy.group == group]
                self._calls.hide(mine, 0)
                self._search(wait_seconds=0)
            if len(self._found.removed) == before:
                return

    def _search(self, threads: int = 1, wait_seconds: int = 1) -> None:
        enough = EMPTY_ANSWERS if threads == 1 and wait_seconds else 1
        in_parallel([partial(self._work, wait_seconds, enough)] * threads)

    def _work(self, wait_seconds: int, empty_answers: int) -> None:
        empty, hands = 0, list[Received]()
        # Bringing a copy to the disk takes longest: several answers share one.
        enough = BATCH if self._state.fifo else GATHERED
        while empty < empty_answers and not self._stop.is_set():
            batch = self._take(wait_seconds)
            hands += batch
            empty = 0 if batch else empty + 1
            if hands and (len(hands) >= enough or not batch):
                self._sort(hands)
                hands = []
        if hands:
            self._sort(hands)

    def _take(self, wait_seconds: int) -> list[Received]:
        """Receive, and note what is in our hands before anything else is done with it."""
        batch = self._calls.receive(self._hold, wait_seconds)
        if batch:
            self._note([message.handle for message in batch])
        with self._lock:
            came_back = any(message.copy.id in self._hands for message in batch)
            if came_back:  # calls are slower than we thought
                self._hold = min(self._hold * 2, LONGEST_HOLD)
            self._hands |= {message.copy.id: message.handle for message in batch}
        return batch

    def _note(self, handles: Sequence[str]) -> None:
        self._journal.hold(self._calls.url, handles, time.time() + self._hold)

    def _sort(self, batch: Sequence[Received]) -> None:
        judged = [(message, self._judge(message.marks)) for message in batch]
        ours = [message for message, whose in judged if whose is Whose.OURS]
        self._copies.keep(m.copy for m in (batch if self._keep_all else ours))
        deleted = [] if self._keep_all else self._calls.delete(ours)
        with self._lock:
            for message in deleted:
                self._found.removed.add(message.copy.id)
                self._hands.pop(message.copy.id, None)
            for message, whose in judged:
                if whose is Whose.OURS and not self._keep_all:
                    continue
                self._found.others[message.copy.id] = message
                if whose is Whose.UNCLEAR:
                    self._found.unclear.add(message.copy.id)
                if costs_the_last_try(message.receives, self._state.max_receives):
                    self._found.brink.add(message.copy.id)
                    if not self._spend:
                        self._stop.set()
        self._renew()

    def _renew(self) -> None:
        """Hold on to what we hold before it comes back while we still search."""
        with self._lock:
            if time.monotonic() - self._held_since < self._hold / 3:
                return
            self._held_since = time.monotonic()
            handles = list(self._hands.values())
        self._calls.hide(handles, self._hold)

    def _wait_for_the_late(self) -> None:
        """What was in somebody's hands comes back when their time is over, or it was handled."""
        until = time.monotonic() + scaled(min(self._state.visibility_seconds, LATEST_SECONDS))
        while not self._stop.is_set():
            state = self._calls.state()
            self._found.out_of_reach = self._in_other_hands(state) + state.delayed
            if not (self._found.out_of_reach or state.visible) or time.monotonic() > until:
                return
            self._search(EMPTY_ANSWERS)

    def _in_other_hands(self, state: QueueState) -> int:
        return max(state.hidden - len(self._hands), 0)

    def _give_back(self) -> None:
        # A FIFO group's messages come back in their order by themselves.
        self._calls.hide(self._hands.values(), 0)
        self._journal.released(self._calls.url)
        self._held_since = time.monotonic()
