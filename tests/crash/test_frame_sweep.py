"""The frame, killed at every one of its boundaries."""

from __future__ import annotations

import shutil
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from moto import mock_aws

from ledger.database import forget_opened, open_ledger
from rules.outcomes import Ending, Outcome
from tests import switchboard
from tests.crash import ledger_ends
from tests.crash.sweep import Start, forkserver, recovered, run, survive
from tests.switchboard import make_environment, recover

pytestmark = pytest.mark.crash


def start_recovery(board: Path) -> Outcome:
    """Recover the switches, with an account to ask who we are."""
    with mock_aws():
        return recover.fn(make_environment(), board)


class Switches:
    """The switchboard, as a world to be swept."""

    def __init__(self, home: Path, *flaws: str) -> None:
        self.home, self.board, self.flaws = home, home / "board", flaws
        self.empty_ledger = home.with_name(f"{home.name}-empty.db")
        made = open_ledger(f"sqlite:///{self.empty_ledger}")
        made.close()

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        switchboard.wire(self.board)
        shutil.copy(self.empty_ledger, self.home / "ledger.db")
        for flaw in self.flaws:
            (self.board / flaw).touch()

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {
            "BACKSTOP_HOME": str(self.home),
            "BACKSTOP_DELAY_SCALE": "0.02",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        return start_recovery, (self.board,), settings

    def ended_well(self, outcome: object) -> bool:
        return recovered(outcome)

    def state(self) -> object:
        return switchboard.read(self.board)

    def twice(self) -> list[str]:
        return [change for change, times in Counter(switchboard.changes(self.board)).items() if times > 1]

    def left_behind(self) -> list[str]:
        return ledger_ends.left_behind(self.home)


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """One fork server for the module."""
    return forkserver()


def test_every_death_of_the_frame_is_survived(tmp_path: Path, context: ForkServerContext) -> None:
    """Killed at any boundary and started again, a run ends as if nobody had killed it; every effect once."""
    world = Switches(tmp_path / "world")
    world.break_it()
    whole = run(context, world)
    assert whole.outcome, (world.home / "told" / "output").read_text()
    assert whole.outcome.ending is Ending.RECOVERED
    wanted = world.state()

    died_at = [survive(context, world, number, wanted) for number in range(len(whole.crossed))]

    assert len(died_at) == len(whole.crossed)
    assert {"before act: turn switch left: intent", "after act: turn switch left: intent"} <= set(died_at)


def test_every_death_on_the_second_rung_is_survived(tmp_path: Path, context: ForkServerContext) -> None:
    """The same where the first rung has no way back and the ladder goes on."""
    world = Switches(tmp_path / "world", "no-gentle")
    world.break_it()
    whole = run(context, world)
    wanted = world.state()

    for number in range(0, len(whole.crossed), 3):
        survive(context, world, number, wanted)
