"""Killing a run at every point where a death could lose something, and starting it again.

The points are the ledger's commits: before and after each one. Between two of them a run has either not told what it
is about to do, told but not done it, done it but not told, or told all. They are found by running once and counting,
so a new flow is swept without a line of new test code. Where a world names a folder (`FILES`), every change of a file
in it is such a point too.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from rules.outcomes import Ending, Outcome

_FOR_ALL = dict(os.environ)
"""The environment while tests are collected: a test may point at an AWS that is gone afterwards."""

FILES = "BACKSTOP_SWEEP_FILES"
"""Variable of a world's start: the folder whose changes are boundaries as well."""

_CHANGES = {"open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}

Start = Callable[..., object]
"""Starts one flow and returns what it ended with; importable by name, with picklable arguments."""


class World(Protocol):
    """A world that can be broken again and again, and read independently."""

    home: Path

    def break_it(self) -> None:
        """Break it the same way each time, with an empty ledger."""

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        """What starts the recovery in a fresh process: function, arguments, environment variables."""

    def ended_well(self, outcome: object) -> bool:
        """Whether a run that was started again ended as it should."""

    def state(self) -> object:
        """The state of the real thing, to compare."""

    def twice(self) -> list[str]:
        """Side effects that happened more than once."""

    def left_behind(self) -> list[str]:
        """Leases, open incidents, pending escalations or locks that nobody will clean up."""


@dataclass(frozen=True, slots=True)
class Death:
    """One run: how it died or ended, and the boundaries it crossed."""

    exit_code: int
    crossed: list[str]
    outcome: Any
    """What the flow returned; None: it did not."""


def forkserver() -> ForkServerContext:
    """A server that has everything imported and runs no thread: its children start in milliseconds.

    Whichever test starts it, its children inherit no more than what holds for all of them.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.preloaded"])
    with patch.dict(os.environ, _FOR_ALL, clear=True):
        multiprocessing.forkserver.ensure_running()
    return context


def run(context: ForkServerContext, world: World, kill_at: int | None = None) -> Death:
    """Run the recovery in a process of its own, killed with SIGKILL at its `kill_at`-th boundary (from 0)."""
    told = world.home / "told"
    told.mkdir(parents=True, exist_ok=True)
    for old in told.iterdir():
        old.unlink()
    function, arguments, environment = world.start()
    child = context.Process(target=_in_child, args=(function, arguments, environment, str(told), kill_at))
    child.start()
    child.join(timeout=120)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise AssertionError(f"the run did not end within 120 s (kill at {kill_at})")
    crossed = (told / "crossed").read_text().splitlines() if (told / "crossed").exists() else []
    outcome = pickle.loads((told / "outcome").read_bytes()) if (told / "outcome").exists() else None  # noqa: S301 - our own child
    return Death(child.exitcode, crossed, outcome)


def _in_child(
    function: Start,
    arguments: tuple[object, ...],
    environment: dict[str, str],
    told: str,
    kill_at: int | None,
) -> None:
    os.environ.update(environment)
    sys.stdout = sys.stderr = Path(told, "output").open("w")  # noqa: SIM115 - open until the process ends
    from blocks.settings import settings
    from ledger.database import forget_opened, watch_boundaries

    settings.cache_clear()
    forget_opened()
    crossed = Path(told, "crossed").open("a", buffering=1)  # noqa: SIM115 - as above
    count = 0

    def cross(moment: str, what: str) -> None:
        nonlocal count
        crossed.write(f"{moment} {what}\n")
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    watch_boundaries(cross)
    if folder := environment.get(FILES):
        sys.addaudithook(partial(_file_changed, folder, cross))
    outcome = function(*arguments)
    Path(told, "outcome").write_bytes(pickle.dumps(outcome))


def _file_changed(
    folder: str, cross: Callable[[str, str], None], event: str, arguments: tuple[Any, ...]
) -> None:
    """Python tells of a change right before it makes it."""
    if event not in _CHANGES or not str(arguments[0]).startswith(folder):
        return
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return
    cross("before", f"{event} {Path(str(arguments[0])).suffix or 'of a folder'}")


def recovered(outcome: object) -> bool:
    """Whether a recovery ended well, by itself or because the run before it had done everything."""
    return isinstance(outcome, Outcome) and outcome.ending in (Ending.RECOVERED, Ending.NOTHING_TO_DO)


def survive(context: ForkServerContext, world: World, kill_at: int, wanted: object) -> str:
    """Kill a run at one boundary, start it again, and return where it died.

    Raises:
        AssertionError: the end is not the one of a run that nobody killed.
    """
    world.break_it()
    death = run(context, world, kill_at)
    assert death.exit_code == -signal.SIGKILL, f"boundary {kill_at} was not reached: {death}"
    where = death.crossed[-1]
    again = run(context, world)
    assert again.exit_code == 0, f"after a death at «{where}» the second run failed"
    assert again.outcome is not None
    assert world.ended_well(again.outcome), f"after «{where}»: {again.outcome}"
    state = world.state()
    assert state == wanted, f"after a death at «{where}» the end state differs: {_unlike(wanted, state)}"
    assert world.twice() == [], f"after a death at «{where}» something was done twice: {world.twice()}"
    assert world.left_behind() == [], f"after a death at «{where}» something was left behind"
    return where


def _unlike(wanted: object, state: object) -> object:
    """What differs, and nothing else: pytest cuts long values."""
    if isinstance(wanted, dict) and isinstance(state, dict):
        names = sorted(wanted.keys() | state.keys())
        return {
            name: _unlike(wanted.get(name), state.get(name))
            for name in names
            if wanted.get(name) != state.get(name)
        }
    return wanted, state
