"""A deployment whose Terraform state could not be saved: made with real Terraform, and taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

from rules.errors import StepFailed
from sandbox import wires
from sandbox.breaking import GOOD
from sandbox.world import Sandbox

_REFUSED = "state-write-refused"


def leave_unsaved(sandbox: Sandbox, environment: str) -> None:
    """Release 1 is live; then the good one is deployed, and the backend refuses its state."""
    sandbox.deploy(environment, GOOD - 1)
    rules = wires.ON_THE_WIRE[_REFUSED][1]
    wires.with_rules(_REFUSED, *rules)(sandbox, environment)
    try:
        sandbox.deploy(environment, GOOD)
    except StepFailed:
        pass  # as it should
    finally:
        wires.without_rules(_REFUSED)(sandbox, environment)
    left = sandbox.home.path / "run" / "pipeline" / environment / "infrastructure" / "errored.tfstate"
    _kept(sandbox, environment).mkdir(parents=True, exist_ok=True)
    shutil.copy(left, _kept(sandbox, environment))


def forget_unsaved(sandbox: Sandbox, environment: str) -> None:
    """The good release, deployed again as the pipeline would."""
    shutil.rmtree(_kept(sandbox, environment), ignore_errors=True)
    sandbox.deploy(environment, GOOD)


def _kept(sandbox: Sandbox, environment: str) -> Path:
    return sandbox.home.path / "run" / f"unsaved-{environment}"
