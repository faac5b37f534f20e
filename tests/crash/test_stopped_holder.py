"""A holder that is stopped past its lease, replaced, and woken up: it must not act again."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from ledger.database import open_ledger
from ledger.models import IncidentRow, LeaseRow, StepRow
from rules.outcomes import Ending, Outcome
from tests import switchboard
from tests.crash.sweep import forkserver
from tests.crash.test_frame_sweep import start_recovery

pytestmark = pytest.mark.crash

LEASE_SECONDS = 1.0


def recover_and_stop(board: str, environment: dict[str, str], told: str, stop_at: str) -> None:
    """In a process of its own: recover, stopping itself once at a boundary of the ledger (empty: never)."""
    os.environ.update(environment)
    from blocks.settings import settings
    from ledger.database import forget_opened, watch_boundaries

    settings.cache_clear()
    forget_opened()
    stopped = False

    def look(moment: str, what: str) -> None:
        nonlocal stopped
        if not stopped and f"{moment} {what}" == stop_at:
            stopped = True
            Path(told, "stopped").write_text(str(os.getpid()))
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread, before its next line

    watch_boundaries(look)
    outcome = start_recovery(Path(board))
    Path(told, f"outcome-{os.getpid()}").write_bytes(pickle.dumps(outcome))


class Rig:
    """A broken board, a ledger, and runs that can be stopped."""

    def __init__(self, folder: Path, url: str) -> None:
        # One switch, so one thread: a second one could be stopped in the middle of a transaction of its own.
        self.board = switchboard.wire(folder / "board", right="good")
        self.told, self.url = folder / "told", url
        self.told.mkdir()
        self.context: ForkServerContext = forkserver()
        self.children: list[psutil.Process] = []
        self.environment = {
            "BACKSTOP_HOME": str(folder / "home"),
            "BACKSTOP_LEDGER_URL": url,
            "BACKSTOP_DELAY_SCALE": "0.02",
            "BACKSTOP_LEASE_SECONDS": str(LEASE_SECONDS),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def start(self, stop_at: str = "") -> psutil.Process:
        """Start a run."""
        arguments = (str(self.board), self.environment, str(self.told), stop_at)
        child = self.context.Process(target=recover_and_stop, args=arguments)
        child.start()
        assert child.pid
        self.children.append(psutil.Process(child.pid))
        return self.children[-1]

    def outcome(self, child: psutil.Process, seconds: float = 90.0) -> Outcome:
        """How a run ended."""
        path, deadline = self.told / f"outcome-{child.pid}", time.monotonic() + seconds
        while not (path.exists() and path.read_bytes()):
            assert time.monotonic() < deadline, f"no outcome of {child}"
            time.sleep(0.05)
        time.sleep(0.1)
        outcome = pickle.loads(path.read_bytes())  # noqa: S301 - our own child
        assert isinstance(outcome, Outcome)
        return outcome

    def wait_until_stopped(self, child: psutil.Process) -> None:
        """Wait until the run has stopped itself."""
        deadline = time.monotonic() + 90
        while not ((self.told / "stopped").exists() and child.status() == psutil.STATUS_STOPPED):
            assert time.monotonic() < deadline, f"{child} did not stop"
            time.sleep(0.02)


@pytest.fixture
def rig(ledger_url: str, tmp_path: Path) -> Iterator[Rig]:
    """A rig on each database; whatever it started is gone afterwards."""
    rig = Rig(tmp_path, ledger_url)
    yield rig
    for child in rig.children:
        if child.is_running():
            child.kill()


@pytest.mark.parametrize(
    "stop_at",
    [
        "after decide: pin the plan",
        "after act: enter act",
        "after act: turn switch left: intent",
        "after act: result",
    ],
)
def test_a_woken_holder_does_not_act_again(rig: Rig, stop_at: str) -> None:
    """Wherever it was stopped: woken after another run has recovered, it changes nothing and says who has it."""
    first = rig.start(stop_at)
    rig.wait_until_stopped(first)
    time.sleep(LEASE_SECONDS * 1.2)
    second = rig.outcome(rig.start())
    assert second.ending is Ending.RECOVERED
    done = switchboard.changes(rig.board)
    (rig.board / "left").write_text("changed since")

    first.send_signal(signal.SIGCONT)
    woken = rig.outcome(first)

    assert woken.ending is Ending.ALREADY_HANDLED, woken
    assert woken.incident == second.incident
    assert switchboard.changes(rig.board) == done
    assert switchboard.read(rig.board)["left"] == "changed since"
    ledger = open_ledger(rig.url)
    with ledger.reading() as session:
        row = session.get_one(IncidentRow, second.incident)
        assert (row.ending, row.runs) == ("recovered", 2)
        assert session.get_one(LeaseRow, "practice").fence == 2
        late = select(StepRow).where(StepRow.fence == 1, StepRow.result_at > row.closed_at)
        assert session.scalars(late).all() == []
    ledger.close()


def test_a_holder_stopped_while_it_writes_keeps_nobody_out(postgres_url: str, tmp_path: Path) -> None:
    """Stopped in the middle of a transaction, PostgreSQL ends it, and another run can take over."""
    rig = Rig(tmp_path, postgres_url)
    try:
        first = rig.start("before act: turn switch left: intent")
        rig.wait_until_stopped(first)
        second = rig.outcome(rig.start())
        done = switchboard.changes(rig.board)
        first.send_signal(signal.SIGCONT)
        woken = rig.outcome(first)
    finally:
        for child in rig.children:
            if child.is_running():
                child.kill()

    assert second.ending is Ending.RECOVERED, second
    assert woken.ending is not Ending.RECOVERED
    assert switchboard.changes(rig.board) == done
