"""The demo leaves other people's things alone, leaves nothing running, and is honest about how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cli import demo_ending, demo_home
from cli.demo_ending import Look
from cli.lasting import Lasting
from cli.stages import Stages
from ledger.database import open_ledger
from rules.errors import RecoveryRefused
from rules.outcomes import Ending, Outcome, Phase

from .conftest import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for a demo, named in the environment, which is put back afterwards."""
    home = tmp_path / "demo"
    for name, value in os.environ.items():
        if name.startswith(("AWS_", "BACKSTOP_", "PREFECT_", "TF_")):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("BACKSTOP_HOME", str(home))
    return home


def test_a_folder_with_something_else_in_it_is_refused(folder: Path) -> None:
    """The demo empties its home, so it never takes one that it did not make."""
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")

    with pytest.raises(RecoveryRefused, match="not a demo"), demo_home.own_home():
        pass
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_an_earlier_demo_is_replaced(folder: Path) -> None:
    """What an earlier demo left is gone at the start of the next."""
    with demo_home.own_home() as home:
        (home / "ledger.db").write_text("old")
        (home / "sandbox").mkdir()
    with demo_home.own_home() as home:
        assert [entry.name for entry in home.iterdir()] == [demo_home.MARK]


def test_two_demos_never_share_a_home(folder: Path) -> None:
    """The second one is refused and says why."""
    with demo_home.own_home():
        os.environ["BACKSTOP_HOME"] = str(folder)
        with pytest.raises(RecoveryRefused, match="Another demo"), demo_home.own_home():
            pass


def test_nobody_s_account_reaches_the_demo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS credentials and Prefect addresses of whoever runs it are not seen by anything it starts."""
    monkeypatch.setenv("AWS_PROFILE", "payroll-production")
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")

    with demo_home.own_home():
        assert "AWS_PROFILE" not in os.environ
        assert "PREFECT_API_URL" not in os.environ


@pytest.mark.parametrize(
    ("ending", "agrees", "code"),
    [
        (Ending.RECOVERED, True, 0),
        (Ending.RECOVERED, False, 4),
        (Ending.NOTHING_TO_DO, True, 4),
        (Ending.NOT_RECOVERED, True, 4),
        (Ending.REFUSED, True, 3),
        (Ending.UNDO_FAILED, True, 5),
    ],
)
def test_the_demo_succeeds_only_if_somebody_else_agrees(ending: Ending, agrees: bool, code: int) -> None:
    """Exit code 0 needs both: the incident ended recovered, and the independent look says so too."""
    outcome = Outcome(
        incident="",
        scenario="canary-failure",
        environment="prod",
        ending=ending,
        reason="because",
        seconds={Phase.ACT: 1.0},
    )
    look = Look(agrees=agrees, said="seen")

    assert demo_ending.tell(Stages(quiet=True), outcome, look, open_ledger(), "http://127.0.0.1") == code


def test_the_demo_ends_with_the_report_over_all_recoveries(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it points at is there, and so is the command that writes it again."""
    outcome = Outcome(incident="", scenario="s", environment="prod", ending=Ending.RECOVERED, reason="so")

    demo_ending.tell(Stages(quiet=True), outcome, Look(agrees=True, said="seen"), open_ledger(), "")

    told = capsys.readouterr()
    [page] = (folder / "reports").glob("track-record-*.html")
    assert page.name in "".join((told.out + told.err).split())
    assert "backstop report --before" in " ".join((told.out + told.err).split())


def test_what_lasts_is_started_and_stopped_by_one_thread() -> None:
    """Children that die with the thread that started them live until the thing is stopped."""
    lasting = Lasting("child", lambda: subprocess.Popen(["sleep", "60"]), subprocess.Popen.kill)

    child = lasting.value
    assert child.poll() is None
    lasting.stop()

    assert child.wait(5) == -signal.SIGKILL


def test_a_start_that_fails_is_told_where_the_value_is_wanted() -> None:
    """The error of the thread reaches whoever waits for it."""

    def fail() -> str:
        raise RecoveryRefused("no Terraform")

    lasting = Lasting("never", fail, lambda _: None)

    with pytest.raises(RecoveryRefused, match="no Terraform"):
        _ = lasting.value
    lasting.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_below_is_left_running(number: signal.Signals) -> None:
    """Whatever signal ends it, a child in its own session and the child's orphan end with it."""
    script = (
        "import subprocess, sys, time\nfrom cli.tidy import left_tidy\n"
        "try:\n"
        "    with left_tidy():\n"
        "        subprocess.run(['sh', '-c', 'sleep 61.5 & echo $!'], start_new_session=True)\n"
        "        child = subprocess.Popen(['sh', '-c', 'trap : TERM; sleep 62; sleep 63'], start_new_session=True)\n"
        "        print(child.pid, flush=True)\n"
        "        time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    started = [int(process.stdout.readline()), int(process.stdout.readline())]
    process.send_signal(number)

    assert process.wait(20) == 130
    assert [pid for pid in started if psutil.pid_exists(pid)] == []


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """The whole story with the command people call: it ends by itself, recovered, and nothing of it is left."""
    home = tmp_path / "demo"
    done = subprocess.run(
        [Path(sys.executable).parent / "backstop", "demo", "--once"],
        cwd=ROOT,
        env=os.environ | {"BACKSTOP_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ending         recovered" in done.stdout
    assert "Seen by others pass" in done.stdout
    assert list((home / "reports").glob("*.html"))
    assert left_in(home) == []


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(300)
def test_a_killed_demo_leaves_nothing(tmp_path: Path) -> None:
    """Even SIGKILL, while everything is starting, takes all of it down within seconds."""
    home = tmp_path / "demo"
    process = subprocess.Popen(
        [Path(sys.executable).parent / "backstop", "demo"],
        cwd=ROOT,
        env=os.environ | {"BACKSTOP_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + 100
    while not (home / "logs" / "responder.log").exists() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert len(left_in(home)) > 3
    process.kill()
    process.wait()

    give_up = time.monotonic() + 60
    while left_in(home) and time.monotonic() < give_up:
        time.sleep(0.2)
    assert left_in(home) == []


def left_in(home: Path) -> list[str]:
    """The processes that know this home."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            known = process.environ().get("BACKSTOP_HOME") == str(home) or any(
                str(home) in word for word in words
            )
        except psutil.Error:
            continue
        if known and process.status() != psutil.STATUS_ZOMBIE:
            found.append(" ".join(words))
    return found
