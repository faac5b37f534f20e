"""Small flows with which the tests try the responder. Each writes to the file it is given."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from prefect import flow, task
from prefect.blocks.core import Block
from prefect.runtime import flow_run

from rules.errors import RecoveryRefused


class Place(Block):
    """A block as a parameter."""

    _block_type_slug = "sample-place"
    name: str


@task
def first_task(file: str, mark: str) -> None:
    """Append the mark, our pid, the time and the run."""
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(f"{mark} {os.getpid()} {time.time()} {flow_run.get_id()}\n")


@flow(name="sample-note")
def note(file: str, mark: str = "note") -> None:
    """Leave one line."""
    first_task(file, mark)


@flow(name="sample-nap")
def nap(file: str, seconds: float = 30.0) -> None:
    """Leave a line, sleep, leave another; clean up when stopped."""
    first_task(file, "begin")
    try:
        time.sleep(seconds)
    except BaseException:
        first_task.fn(file, "cleaned")
        raise
    first_task(file, "end")


@flow(name="sample-refuse")
def refuse(file: str) -> None:
    """Say what is wrong, and what to do."""
    raise RecoveryRefused(f"{Path(file).name} is not wanted here.", hint="Give another.")


@flow(name="sample-stubborn")
def stubborn(file: str, seconds: float = 60.0) -> None:
    """Do not end when asked to."""
    first_task(file, "begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            time.sleep(seconds)
        except BaseException:  # noqa: BLE001 - that is the point
            first_task.fn(file, "ignored")


@flow(name="sample-die")
def die(file: str) -> None:
    """Be killed in the middle."""
    first_task(file, "dying")
    os.kill(os.getpid(), signal.SIGKILL)


@flow(name="sample-visitless")
def visitless(file: str, mark: str) -> None:
    """Leave one line, on a schedule."""
    first_task(file, mark)


@flow(name="sample-visit")
def visit(file: str, place: Place, times: int = 1) -> None:
    """Write down a block's name."""
    first_task(file, place.name * times)


NOT_A_FLOW = 1
