"""Who is dead, who is alive, and who is out of sight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ledger import holders
from ledger.holders import Holder, is_dead, this_process
from tests.ledger.samples import dead, elsewhere


def test_this_process_is_alive() -> None:
    """The caller is never proven dead, and says who it is."""
    holder = this_process("run-7")

    assert is_dead(holder) is False
    assert str(holder) == f"{holder.user}@{holder.host} pid {os.getpid()}, flow run run-7"


def test_a_pid_that_nobody_has_is_dead() -> None:
    """A process that is gone is proven dead."""
    assert is_dead(dead()) is True


def test_a_pid_that_was_given_again_is_dead() -> None:
    """Another process with the same pid does not keep the lease alive."""
    assert is_dead(this_process().model_copy(update={"started": 0.25})) is True


def test_a_machine_that_was_restarted_holds_nothing() -> None:
    """A holder of an earlier boot is dead, whatever runs under its pid now."""
    assert is_dead(this_process().model_copy(update={"boot": "an-earlier-boot"})) is True


@pytest.mark.parametrize("change", [{"host": "another"}, {"namespace": "pid:[1]"}])
def test_who_is_out_of_sight_is_neither(change: dict[str, str]) -> None:
    """Of another machine or container only the lease can tell."""
    assert is_dead(this_process().model_copy(update=change)) is None
    assert is_dead(elsewhere()) is None


def _child(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


def _holder(pid: int) -> Holder:
    return this_process().model_copy(update={"pid": pid, "started": holders._started(psutil.Process(pid))})


def test_a_stopped_process_is_not_dead() -> None:
    """A process that is stopped may go on any moment: it is not proven dead."""
    child = _child("import time; time.sleep(60)")
    try:
        holder = _holder(child.pid)
        child.send_signal(signal.SIGSTOP)

        assert is_dead(holder) is False
    finally:
        child.kill()
        child.wait()
    assert is_dead(holder) is True


def test_a_zombie_is_dead() -> None:
    """A killed process that its parent has not looked after is dead."""
    child = _child("import time; time.sleep(60)")
    holder = _holder(child.pid)
    child.kill()
    try:
        deadline = time.monotonic() + 10
        while is_dead(holder) is not True:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.wait()


def test_setting_the_clock_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the machine's clock is set, living holders stay alive: their start is counted from the boot."""
    holder = this_process()
    later = psutil.boot_time() + 3600
    platform = vars(psutil)["_psplatform"]
    monkeypatch.setattr(platform, "boot_time", lambda: later)
    monkeypatch.setattr(platform, "BOOT_TIME", later, raising=False)

    assert is_dead(holder) is False
    assert this_process() == holder


def test_a_program_with_a_strange_name_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Spaces and brackets in a program's name do not confuse the reading of its start."""
    folder = tmp_path_factory.mktemp("programs")
    program = folder / "a) b (c"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "60"])
    try:
        holder = _holder(child.pid)

        assert is_dead(holder) is False
        assert abs(holder.started - holders._started(psutil.Process())) < 3600
    finally:
        child.kill()
        child.wait()
