"""Running Terraform: interrupted once, outliving us, found again. A script stands in for the binary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from blocks import aws_account
from ledger.cases import Case
from rules.errors import LeaseLost, StepFailed
from rules.state_locks import StateLock, from_json
from rules.terraform_diagnostics import Cause
from tasks import _terraform_survivors as survivors
from tasks._terraform_process import TerraformRun, run
from tests.tasks.lambda_service import environment

HEAD = f"""#!{sys.executable}
import json, os, signal, sys, time
def tell(**event): print(json.dumps(event), flush=True)
"""
COUNTS_SIGNALS = """
got = []
def heard(*_):
    got.append(1)
    open("signals", "a").write("x")
signal.signal(signal.SIGINT, heard)
tell(type="apply_start")
end = time.time() + 30
while time.time() < end and not got:
    time.sleep(0.01)
time.sleep(0.5)
tell(type="change_summary")
sys.exit(1 if got else 0)
"""


class Binary:
    """A folder with a script that is run as if it were Terraform."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs, self.path = folder, folder / "inc-1" / "runs", folder / "terraform"
        (folder / "inc-1").mkdir()

    def says(self, body: str) -> list[str]:
        """The command line of a script with this body."""
        self.path.write_text(HEAD + body, encoding="utf-8")
        self.path.chmod(0o755)
        return [str(self.path), "apply"]

    def run(self, body: str, **options: Any) -> TerraformRun:
        """Run it in the incident's folder."""
        options.setdefault("timeout_seconds", 30.0)
        return run(environment(), self.says(body), self.folder / "inc-1", self.runs, **options)

    @property
    def signals(self) -> int:
        """How many SIGINTs it got."""
        told = self.folder / "inc-1" / "signals"
        return len(told.read_text()) if told.exists() else 0


@pytest.fixture
def binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Binary]:
    """A stand-in for Terraform, with made-up credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    aws_account._session.cache_clear()  # another test's session would keep that test's credentials
    yield Binary(tmp_path)
    for process in survivors._inside(tmp_path):
        process.kill()


def test_events_come_as_they_are_told_and_noise_is_kept(binary: Binary) -> None:
    """Lines that are not JSON break nothing: `init -json` prints some."""
    heard: list[str] = []

    done = binary.run(
        'tell(type="version")\nprint("\\x1b[1mInitializing...")\nprint("[1]")\ntell(type="change_summary")\nsys.exit(2)',
        on_event=lambda event: heard.append(event["type"]),
    )

    assert (done.exit_code, heard) == (2, ["version", "change_summary"])
    assert "Initializing" in done.text


def test_errors_are_diagnosed(binary: Binary) -> None:
    """A diagnostic of the stream becomes its cause; warnings do not."""
    done = binary.run(
        'tell(type="diagnostic", diagnostic={"severity": "warning", "summary": "Deprecated"})\n'
        'tell(type="diagnostic", diagnostic={"severity": "error", "summary": "Saved plan is stale", "detail": ""})\n'
        "sys.exit(1)"
    )

    assert [diagnosis.cause for diagnosis in done.diagnoses] == [Cause.STALE_PLAN]


def test_a_run_that_takes_too_long_is_interrupted_once(binary: Binary) -> None:
    """It gets one SIGINT and the time to write its state; the error says so."""
    with pytest.raises(StepFailed, match="longer than 1 s"):
        binary.run(COUNTS_SIGNALS, timeout_seconds=1.0)

    assert binary.signals == 1
    assert survivors._inside(binary.folder) == []


def test_a_cancelled_run_is_interrupted_once(binary: Binary) -> None:
    """Whatever stops us, even what is no Exception, stops Terraform gracefully first."""

    def cancel(_event: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        binary.run(COUNTS_SIGNALS, on_event=cancel)

    assert binary.signals == 1


def test_a_lost_lease_interrupts(binary: Binary, acting: Case) -> None:
    """Somebody took the incident over: we do not go on changing things through Terraform."""
    with pytest.raises(LeaseLost):
        binary.run(COUNTS_SIGNALS, on_event=lambda _event: acting.lost.set())

    assert binary.signals == 1


def test_a_missing_binary_says_what_to_do(tmp_path: Path, binary: Binary) -> None:
    """One clear error with a hint."""
    with pytest.raises(StepFailed, match="There is no Terraform") as failed:
        run(environment(), ["no-such-terraform", "plan"], tmp_path, tmp_path / "runs", timeout_seconds=5)

    assert failed.value.hint


def test_terraform_acts_as_the_account_and_nothing_of_ours_leaks_in(
    binary: Binary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own TF_ and AWS_ settings would change what it does; secrets go in by the environment only."""
    monkeypatch.setenv("TF_CLI_ARGS", "-destroy")
    profiles = binary.folder / "credentials"
    profiles.write_text(
        "[somebody]\naws_access_key_id = test\naws_secret_access_key = test\n", encoding="utf-8"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/no/such/file")

    binary.run('json.dump(dict(os.environ), open("environment", "w"))')

    seen = json.loads((binary.folder / "inc-1" / "environment").read_text())
    assert seen["TF_IN_AUTOMATION"] == "1"
    assert seen["AWS_ACCESS_KEY_ID"] == "test"
    assert not {"TF_CLI_ARGS", "AWS_PROFILE", "TF_CLI_CONFIG_FILE"} & set(seen)


def test_our_lock_is_written_down_while_we_live(binary: Binary) -> None:
    """Once events show that Terraform holds the lock, its id is on record; after our death it proves whose it was."""
    host = os.uname().nodename
    user = psutil.Process().username()

    def lock() -> StateLock:
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
        return from_json(json.dumps({"ID": "a90b32d3", "Who": f"{user}@{host}", "Created": created}))

    binary.run('tell(type="apply_start")\ntime.sleep(0.5)', lock=lock)

    [own] = survivors.own_runs(binary.folder)
    assert (own.lock_id, own.dead, own.ended is not None) == ("a90b32d3", True, True)


def test_what_a_dead_run_left_is_waited_for(binary: Binary) -> None:
    """A Terraform that outlived us finishes; a provider that would never end is ended."""
    finishing = subprocess.Popen(
        [*binary.says('time.sleep(1.5); open("finished", "w")'), "-no-color"],
        cwd=binary.folder / "inc-1",
        start_new_session=True,
    )
    provider = subprocess.Popen(["sleep", "600"], cwd=binary.folder / "inc-1", start_new_session=True)

    survivors.settle(binary.folder / "inc-1", 20)

    assert (binary.folder / "inc-1" / "finished").exists()
    assert not psutil.pid_exists(finishing.pid)
    assert not psutil.pid_exists(provider.pid)


def test_others_processes_are_left_alone(binary: Binary) -> None:
    """Only what works in the incident's own folder is ours."""
    elsewhere = subprocess.Popen(["sleep", "600"], cwd=binary.folder, start_new_session=True)

    survivors.settle(binary.folder / "inc-1", 5)

    assert elsewhere.poll() is None
    elsewhere.kill()
    elsewhere.wait()
