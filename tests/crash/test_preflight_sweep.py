"""Preflight has nothing that a death could lose: it writes nothing."""

from __future__ import annotations

from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from ledger.database import forget_opened
from sandbox.test_kit.place import KitPlace
from sandbox.world import Sandbox
from tests.crash.sweep import FILES, Start, forkserver, run

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.slow]


def look() -> object:
    """Go through the checklist as `backstop preflight` does."""
    from deployments.environments import load_environment
    from flows.preflight import preflight

    return preflight.fn(load_environment("qa"), "run-1").verdict.value


class Kit:
    """The practice test kit, before a run."""

    def __init__(self, sandbox: Sandbox, home: Path, watched: Path) -> None:
        self.sandbox, self.home, self.watched = sandbox, home, watched

    def break_it(self) -> None:
        forget_opened()

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {"BACKSTOP_HOME": str(self.home / "home"), FILES: str(self.watched)}
        return look, (), {**self.sandbox.variables(), **settings}

    def ended_well(self, outcome: object) -> bool:
        return outcome == "pass"

    def state(self) -> object:
        return sorted(str(path) for path in (self.home / "home").rglob("*"))

    def twice(self) -> list[str]:
        return []

    def left_behind(self) -> list[str]:
        return []


def test_a_checklist_writes_nothing(qa: KitPlace, qa_sandbox: Sandbox, tmp_path: Path) -> None:
    """It crosses no boundary: nothing goes into the ledger, no file of the kit's is opened for writing."""
    context: ForkServerContext = forkserver()

    for watched in (qa.folder, tmp_path / "world" / "home"):
        done = run(context, Kit(qa_sandbox, tmp_path / "world", watched))

        assert done.outcome == "pass", (tmp_path / "world" / "told" / "output").read_text()
        assert done.crossed == []
