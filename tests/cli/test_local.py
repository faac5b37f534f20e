"""`recover --local` needs no Prefect server: on the practice sandbox, with the command people call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.pipeline import prove_here
from sandbox import reading

from .conftest import ROOT, Said

if TYPE_CHECKING:
    from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def broken(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Production with release 2 proven good, and the dashboard broken past Terraform."""
    from blocks.settings import settings
    from sandbox import faults

    monkeypatch.setenv("BACKSTOP_ENVIRONMENTS", str(fresh_sandbox.home.environments))
    settings.cache_clear()
    prove_here("prod", fresh_sandbox.release(2), fresh_sandbox.home.environments)
    faults.start(fresh_sandbox, "bad-release", "prod")
    fresh_sandbox.wait_for(lambda: fires(fresh_sandbox), "the service's alarm fires", 60)
    return fresh_sandbox


def fires(sandbox: Sandbox) -> bool:
    """Whether the alarms have noticed: from here on nothing changes by itself."""
    return reading.read(sandbox.home, "prod").alarms[sandbox.place("prod").service_alarm] == "ALARM"


def recover(*words: str) -> subprocess.Popen[str]:
    """The command, begun."""
    return subprocess.Popen(
        [
            Path(sys.executable).parent / "backstop",
            "recover",
            "canary-failure",
            "-e",
            "prod",
            "--local",
            *words,
        ],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Said:
    """The command at its end."""
    out, err = process.communicate(timeout=300)
    return Said(process.returncode, out, err)


def test_it_recovers_without_a_server(broken: Sandbox) -> None:
    """A rehearsal changes nothing, the recovery brings release 2 back, a third call finds nothing to do."""
    before = reading.read(broken.home, "prod")
    rehearsed = ended(recover("--rehearse", "--json"))
    changed = before.differences(reading.read(broken.home, "prod"))

    assert (rehearsed.code, rehearsed.data["ending"]) == (0, "rehearsed")
    assert changed == {}

    recovered = ended(recover("--requested-by", "maria", "--reason", "a test"))

    assert recovered.code == 0, recovered.out + recovered.err
    assert "recovered:" in recovered.out
    assert reading.read(broken.home, "prod").releases == {broken.release(2)}
    assert ended(recover("--json")).data["ending"] == "nothing to do"


def test_a_release_that_does_not_exist_is_refused(broken: Sandbox) -> None:
    """A target nobody ever deployed ends with one clear reason, and nothing is changed."""
    before = reading.read(broken.home, "prod")

    said = ended(recover("--json", "to_release=0123456"))

    assert said.code in {3, 4}
    assert "0123456" in said.data["reason"]
    assert before.differences(reading.read(broken.home, "prod")) == {}


def test_ctrl_c_cancels_it_properly(broken: Sandbox) -> None:
    """One Ctrl-C closes the incident with a reason and gives the environment back: the next recovery goes through."""
    process = recover()
    assert process.stdout
    for line in process.stdout:
        if "decide" in line:
            break
    process.send_signal(signal.SIGINT)
    stopped = ended(process)

    assert stopped.code == 130
    assert "somebody stopped the run" in stopped.out

    time.sleep(0.1)
    assert ended(recover()).code == 0
