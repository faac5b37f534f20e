"""The whole of one machine: up with one call, mended when a part dies, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deployments.responder import READY
from deployments.stack import Stack
from rules.errors import RecoveryRefused
from tests.deployments.conftest import until

SCRIPT = Path(__file__).with_name("stack_script.py")


class Upped:
    """A running stack in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.said = home / "said"
        home.mkdir(exist_ok=True)
        # Whatever belongs to it can be told by this, even after its parent died.
        environment = {**os.environ, "BACKSTOP_HOME": str(home), "STACK_UNDER_TEST": str(home)}
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(home)],
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=SCRIPT.parents[2],
                start_new_session=True,
            )

    def addresses(self) -> tuple[str, str]:
        """Wait until it is up; the Prefect UI's and the receiver's address."""
        line = until("the stack is up", self._up_line, 150)
        _, prefect, webhook = line.split()
        return prefect, webhook

    def processes(self) -> list[psutil.Process]:
        """Every living process of it."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("STACK_UNDER_TEST") == str(self.home):
                    found.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def _up_line(self) -> str:
        assert self.process.poll() is None, self.said.read_text()
        lines = self.said.read_text().splitlines()
        return next((line for line in lines if line.startswith("up ")), "")


@pytest.fixture
def upped(tmp_path: Path) -> Iterator[Upped]:
    """Give a test a stack of its own and see that none of it stays."""
    found = Upped(tmp_path / "home")
    try:
        yield found
    finally:
        for process in [psutil.Process(found.process.pid)] if found.process.poll() is None else []:
            process.kill()
        found.process.wait()
        for process in found.processes():
            process.kill()


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("prefect")
def test_everything_is_up_mended_and_leaves_nothing_behind(upped: Upped) -> None:
    """Server, receiver and responder answer; a killed responder comes back; Ctrl-C ends every process."""
    prefect, webhook = upped.addresses()
    for url in (f"{prefect}/api/health", f"{webhook}/health", f"{prefect}/"):
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
    written = (upped.home / "addresses" / "prefect").read_text()
    assert written == f"{prefect}/api"

    ready = upped.home / "responder" / READY
    first = ready.read_text()
    os.kill(int(first), signal.SIGKILL)
    until("another responder is ready", lambda: ready.read_text() not in {"", first})

    upped.process.send_signal(signal.SIGINT)
    assert upped.process.wait(60) == 0
    until("nothing is left", lambda: not upped.processes(), 30)
    assert not (upped.home / "addresses" / "prefect").exists()


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("prefect")
def test_nothing_outlives_a_killed_parent(upped: Upped) -> None:
    """SIGKILL of the parent takes every part with it."""
    upped.addresses()
    assert len(upped.processes()) >= 4

    upped.process.kill()
    upped.process.wait()

    until("nothing is left", lambda: not upped.processes(), 60)


def test_a_second_stack_in_the_same_home_is_refused(tmp_path: Path) -> None:
    """Two would take each other's runs: the second says who and what to do."""
    first, second = Stack(home=tmp_path, prefect_port=0), Stack(home=tmp_path, prefect_port=0)
    first._hold()

    with pytest.raises(RecoveryRefused, match="is up already"):
        second.start()

    first.stop()


def test_a_taken_port_is_one_clear_error(tmp_path: Path) -> None:
    """A port that somebody listens on is named, and nothing is started."""
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        stack = Stack(home=tmp_path, prefect_port=other.getsockname()[1], webhook_port=0)

        with pytest.raises(RecoveryRefused, match="is taken"):
            stack.start()

    assert not (tmp_path / "logs").exists()
