"""The two kinds of task: a `probe` reads, an `action` changes.

Both are Prefect tasks inside a flow run and plain, retried calls outside one (`--local`), with the same
policy: only a `TransientFailure` is tried again. An action is also fenced and journalled: it checks the
environment's lease, writes its intent before it acts and its result after.
"""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextvars import ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar, overload

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging import get_run_logger
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from blocks.settings import settings
from ledger.cases import current_case
from rules.errors import BackstopError, LeaseLost, RecoveryRefused, StepFailed, TransientFailure
from rules.outcomes import Effect
from rules.redaction import redact
from tasks.redacted_logs import redact_logs

P = ParamSpec("P")
R = TypeVar("R")

FIRST_DELAY = 0.5
LONGEST_DELAY = 8.0
MOST_AT_ONCE = 16

redact_logs()

_attempt: ContextVar[int] = ContextVar("attempt", default=1)


class Kind(Task[P, R]):
    """A Prefect task that also runs, with the same retries, where there is no flow run."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it: through Prefect inside a flow run, directly outside one."""
        if FlowRunContext.get() is not None:
            self.retry_delay_seconds = _delays(int(self.retries))
            return super().__call__(*args, **kwargs)
        for attempt in Retrying(
            retry=retry_if_exception_type(TransientFailure),
            stop=stop_after_attempt(int(self.retries) + 1),
            wait=wait_exponential(multiplier=scaled(FIRST_DELAY), max=scaled(LONGEST_DELAY)),
            reraise=True,
        ):
            with attempt:
                token = _attempt.set(attempt.retry_state.attempt_number)
                try:
                    return self.fn(*args, **kwargs)
                finally:
                    _attempt.reset(token)
        raise AssertionError("unreachable: tenacity re-raises")


@overload
def probe(function: Callable[P, R]) -> Kind[P, R]: ...
@overload
def probe(*, retries: int = 4) -> Callable[[Callable[P, R]], Kind[P, R]]: ...
def probe(function: Callable[P, R] | None = None, *, retries: int = 4) -> Any:
    """Make a reading task. It is retried freely: `retries` times after the first try."""
    if function is None:
        return functools.partial(_kind, retries=retries, tag="probe")
    return _kind(function, retries=retries, tag="probe")


def action(*, subject: str, retries: int = 2) -> Callable[[Callable[P, Effect]], Kind[P, Effect]]:
    """Make a changing task. `subject` names what it changes, a format of its parameters: `{function}`.

    The function looks first whether the world is already as wanted, and says so in its `Effect`.

    Raises (when called):
        RecoveryRefused: there is no incident that may act now; nothing was changed.
        LeaseLost: another run took the incident over; nothing was changed.
    """

    def decorate(function: Callable[P, Effect]) -> Kind[P, Effect]:
        signature = inspect.signature(function)
        name = function.__name__

        @functools.wraps(function)
        def journalled(*args: P.args, **kwargs: P.kwargs) -> Effect:
            case = current_case.get()
            if case is None:
                raise RecoveryRefused(
                    f"{name} was called outside an incident.",
                    hint="Actions run inside a flow's frame only: `backstop recover …`.",
                )
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            step = case.intend(name, subject.format(**bound.arguments), _attempt_number())
            try:
                effect = function(*args, **kwargs)
            except LeaseLost:
                raise
            except BaseException as error:
                case.conclude(step, None, f"{type(error).__name__}: {error}")
                raise
            case.conclude(step, effect)
            return effect

        return _kind(journalled, retries=retries, tag="action")

    return decorate


def _kind(function: Callable[P, R], *, retries: int, tag: str) -> Kind[P, R]:
    return Kind(
        fn=_telling_no_secret(function),
        name=function.__name__.replace("_", "-"),
        description=(inspect.getdoc(function) or "").partition("\n")[0],
        tags={tag},
        retries=retries,
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def _delays(retries: int) -> list[float]:
    return [scaled(min(FIRST_DELAY * 2**n, LONGEST_DELAY)) for n in range(retries)]


def _telling_no_secret(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose unknown errors pass through whole, but for secrets in their text: Prefect keeps it."""

    @functools.wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BackstopError:
            raise  # redacted when it was made
        except Exception as error:
            if redact(str(error)) != str(error):
                error.args = tuple(redact(each) if isinstance(each, str) else each for each in error.args)
            safe = redact(str(error))
            if safe != str(error):
                raise StepFailed(f"{type(error).__name__}: {safe}") from None
            raise

    return told


def _is_transient(_task: Any, _run: Any, state: Any) -> bool:
    try:
        state.result()
    except TransientFailure:
        return True
    except BaseException:  # noqa: BLE001 - whatever else it was is not worth a retry
        return False
    return False


def _attempt_number() -> int:
    context = TaskRunContext.get()
    return context.task_run.run_count if context else _attempt.get()


def in_parallel(calls: Sequence[Callable[[], R]]) -> list[R]:
    """Run calls at the same time and return their results in order.

    Waits for all of them and then raises the first error: nothing is left running behind. Only when the caller
    itself is stopped (its time is over, it is cancelled) it waits no longer: calls that have not begun never do,
    and one that hangs keeps neither the caller nor the process from ending; it cannot act any more.
    """
    if len(calls) == 1:
        return [calls[0]()]
    stopped, free = threading.Event(), threading.Semaphore(MOST_AT_ONCE)
    running: list[Future[R]] = [Future() for _ in calls]
    for done, call in zip(running, calls, strict=True):
        run = functools.partial(copy_context().run, call)
        threading.Thread(
            target=_fulfil, args=(done, run, free, stopped), name="parallel", daemon=True
        ).start()
    try:
        wait(running)
    except BaseException:
        stopped.set()
        raise
    return [done.result() for done in running]


def _fulfil(
    done: Future[R], call: Callable[[], R], free: threading.Semaphore, stopped: threading.Event
) -> None:
    with free:
        if stopped.is_set():
            done.cancel()
            return
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are read
            done.set_exception(error)


def say(text: str) -> None:
    """One line of progress, redacted: in the Prefect run's log, or in the log of this process."""
    told = redact(text)
    if FlowRunContext.get() is not None or TaskRunContext.get() is not None:
        get_run_logger().info(told)
    else:
        logging.getLogger("backstop").info(told)


def scaled(seconds: float) -> float:
    """A period or pause in seconds, times the installation's delay scale."""
    return seconds * settings().delay_scale


def pause(seconds: float) -> None:
    """Sleep `seconds`, scaled; wakes up at once, with `LeaseLost`, when the incident is taken over."""
    case = current_case.get()
    if case is None:
        time.sleep(scaled(seconds))
    elif case.lost.wait(scaled(seconds)):
        raise LeaseLost(f"The lease of {case.environment} was lost.", hint="Another run has taken over.")
