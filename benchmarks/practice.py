"""The practice sandbox for a benchmark, and a real incident that may act there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.environment import Environment
    from sandbox.world import Sandbox


@contextmanager
def own_home() -> Iterator[Path]:
    """A folder of its own, gone afterwards, with a home of Backstop in it that this process uses meanwhile."""
    from blocks.settings import settings

    before = dict(os.environ)
    with TemporaryDirectory(prefix="backstop-bench-") as folder:
        os.environ["BACKSTOP_HOME"] = str(Path(folder) / "home")
        settings.cache_clear()
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)
            settings.cache_clear()


@contextmanager
def practice_sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own with nothing deployed, which this process's environment points at meanwhile."""
    from blocks.settings import settings
    from sandbox.world import Sandbox

    with own_home() as folder:
        box = Sandbox.start(folder / "sandbox")
        os.environ |= box.variables()
        settings.cache_clear()
        try:
            yield box
        finally:
            box.stop()


@contextmanager
def meanwhile(step: Callable[[], None], seconds: float) -> Iterator[None]:
    """Take a step every so many seconds until the block ends."""
    over = threading.Event()

    def walk() -> None:
        while not over.wait(seconds):
            step()

    thread = threading.Thread(target=walk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10)


@contextmanager
def acting(environment: Environment) -> Iterator[None]:
    """A real incident that may act, with its lease and journal."""
    from blocks.settings import settings
    from ledger.cases import current_case
    from ledger.database import open_ledger
    from ledger.holders import this_process
    from ledger.incidents import Opening, open_case
    from rules.outcomes import Phase

    settings.cache_clear()
    opening = Opening("benchmark", environment.name, environment.tier.value, 60)
    case = open_case(open_ledger(), opening, this_process(), 30)
    case.enter(Phase.ACT)
    token = current_case.set(case)
    with case.kept_alive(), case.may_act():
        yield
    current_case.reset(token)
