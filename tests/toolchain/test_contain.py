"""Nothing that a make target starts outlives it: each test leaves a real daemon behind and looks for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

CONTAIN = Path(__file__).parents[2] / ".ci/contain.py"
# A daemon in a session of its own, which writes its number down, and a command that goes on.
DAEMON = "setsid sh -c 'echo $$ > {note}; exec sleep 300' & "


def contained(script: str, *options: str) -> subprocess.Popen[str]:
    """Start a shell script under contain.py."""
    return subprocess.Popen(
        [sys.executable, str(CONTAIN), *options, "sh", "-c", script], stderr=subprocess.PIPE, text=True
    )


def wait_for(truth: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def daemon_of(note: Path) -> psutil.Process:
    """The daemon that the script started."""
    assert wait_for(lambda: note.exists() and note.read_text().strip() != "")
    return psutil.Process(int(note.read_text()))


def ended(process: psutil.Process) -> bool:
    """Whether a process is gone, or is only waiting to be collected."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_exit_code_is_the_commands() -> None:
    """The caller sees what the command returned."""
    assert contained("exit 3").wait() == 3


def test_a_leftover_is_ended_and_named(tmp_path: Path) -> None:
    """A daemon left behind by a command that succeeded is ended, named, and with --strict an error."""
    note = tmp_path / "daemon"

    front = contained(DAEMON.format(note=note) + "sleep 0.3", "--strict")
    _, words = front.communicate(timeout=30)

    assert front.returncode == 70
    assert "sleep 300" in words
    assert not psutil.pid_exists(int(note.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_it_is_ended_when_the_target_is(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever ends the target from outside, the daemon goes too."""
    front = contained(DAEMON.format(note=tmp_path / "daemon") + "exec sleep 300")
    daemon = daemon_of(tmp_path / "daemon")

    os.kill(front.pid, number)
    front.wait(30)

    assert wait_for(lambda: ended(daemon))


def test_it_is_ended_when_the_keeper_is_killed(tmp_path: Path) -> None:
    """Killing the process that watches leaves its parent to clean up."""
    front = contained(DAEMON.format(note=tmp_path / "daemon") + "exec sleep 300")
    daemon = daemon_of(tmp_path / "daemon")

    psutil.Process(front.pid).children()[0].kill()
    front.wait(30)

    assert wait_for(lambda: ended(daemon))


def test_it_is_ended_when_make_is_killed(tmp_path: Path) -> None:
    """When the program that started the target dies, the target ends as if told to."""
    script = DAEMON.format(note=tmp_path / "daemon") + "exec sleep 300"
    make = subprocess.Popen(
        ["sh", "-c", '"$@"; true', "sh", sys.executable, str(CONTAIN), "sh", "-c", script]
    )
    daemon = daemon_of(tmp_path / "daemon")

    make.kill()
    make.wait()

    assert wait_for(lambda: ended(daemon))
