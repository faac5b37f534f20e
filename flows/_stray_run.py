"""A run whose messages went astray: which it is, what marks its messages, where they may be."""

from __future__ import annotations

from dataclasses import dataclass

from blocks.environment import Environment
from rules.errors import RecoveryRefused
from rules.kit_settings import moment
from rules.outcomes import Check
from rules.stray_messages import QueueState, RunTraces, judge_queue
from tasks.queues import queue_state, removed_ids, searched_queues
from tasks.test_runs import newest_run, run_traces

CHUNK = 500
"""Messages that are sent on in one step."""

GIVEN = "given"
"""What copies are named after where nobody knows the run."""


@dataclass(frozen=True, slots=True)
class Stray:
    """What was asked for."""

    environment: Environment
    run: str
    wrong_queue: str
    correlation_ids: tuple[str, ...]
    sent_after: str | None
    sent_before: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known, with nothing received yet."""

    traces: RunTraces
    given: RunTraces | None
    has_folder: bool
    wrong: tuple[str, ...]
    """Queues that are not the run's own, and that it published to."""
    states: dict[str, QueueState]
    """Of the wrong queues and their dead-letter queues, by address."""
    removed: frozenset[str]
    consumed: dict[str, frozenset[str]]
    """By queue that was searched to its end: ids that were gone by then."""

    def check(self, url: str) -> Check:
        """Whether something of the run may still be in that queue, or dead."""
        dead = self.states.get(self.states[url].dead_letters)
        searched = [one for one in (url, dead.url if dead else "") if one]
        done = all(one in self.consumed for one in searched)
        gone = frozenset.intersection(*(self.consumed[one] for one in searched)) if done else frozenset()
        missing = len(self.traces.message_ids - self.removed - gone) if self.traces.message_ids else None
        return judge_queue(self.states[url], dead, missing, searched=done)


def look(stray: Stray) -> Looked:
    """Find the run and the queues, and count. No message is received.

    Raises:
        RecoveryRefused: neither a run nor what marks its messages is known.
    """
    environment, given = stray.environment, _given(stray)
    run = stray.run or ("" if given else newest_run(environment))
    traces = accounted(environment, run, given)
    own, published = environment.test_kit.targets, list(traces.queues)
    if stray.wrong_queue and stray.wrong_queue not in published:
        published.append(stray.wrong_queue)
    if stray.wrong_queue in own:
        raise RecoveryRefused(
            "The queue that was named as wrong is one that test runs are meant to publish to.",
            hint="Correct `wrong_queue`, or `tests_publish` in the environment's file.",
        )
    if given and not published:
        raise RecoveryRefused(
            "It is not known where the messages went.", hint="Name it: `wrong_queue=<address>`."
        )
    states = {url: queue_state(environment, url) for url in published}
    for state in list(states.values()):
        if state.dead_letters:
            states[state.dead_letters] = queue_state(environment, state.dead_letters)
    name = numbered_from(traces)
    return Looked(
        traces=traces,
        given=given,
        has_folder=bool(run),
        wrong=tuple(published),
        states=states,
        removed=removed_ids(environment, name) if published else frozenset(),
        consumed=searched_queues(environment, name),
    )


def _given(stray: Stray) -> RunTraces | None:
    """What a person said of the messages; None: nothing."""
    if not stray.correlation_ids:
        return None
    began = moment(stray.sent_after or "")
    if began is None:
        raise RecoveryRefused(
            "Correlation ids alone do not tell the run's messages from answers to them.",
            hint="Say when it began: `sent_after=2026-11-28T03:00`.",
        )
    return RunTraces(
        run_id=stray.run,
        correlation_ids=frozenset(stray.correlation_ids),
        began=began,
        ended=moment(stray.sent_before or ""),
    )


def accounted(environment: Environment, run: str, given: RunTraces | None) -> RunTraces:
    """What marks the messages: the run's own word, or what was given."""
    if given is not None:
        return given
    found: RunTraces = run_traces(environment, run)
    return found


def numbered_from(traces: RunTraces) -> str:
    """What copies and notes are kept under."""
    return traces.run_id or GIVEN


def right_queue(environment: Environment, wrong: str) -> str:
    """Where the messages were meant to go: the kit's queue of the same type.

    Raises:
        RecoveryRefused: there is none, or more than one.
    """
    fifo = wrong.endswith(".fifo")
    fitting = [url for url in environment.test_kit.targets if url.endswith(".fifo") == fifo]
    if len(fitting) != 1:
        kind = "FIFO" if fifo else "standard"
        raise RecoveryRefused(
            f"{len(fitting)} {kind} queues are meant for test runs: it is not known where the messages were to go.",
            hint="Mark exactly one of that type with `tests_publish: true`.",
        )
    return fitting[0]
