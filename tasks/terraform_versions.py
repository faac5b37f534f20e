"""Which Terraform this host has."""

from __future__ import annotations

import tempfile
from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from tasks import _terraform_command as command
from tasks._terraform_process import run
from tasks.kinds import probe

PATIENCE_SECONDS = 20.0


@probe
def terraform_version(environment: Environment) -> str:
    """What Terraform says of itself, for instance `Terraform v1.11.4`. Permissions: none.

    Raises:
        StepFailed: there is none, or what is there does not run.
    """
    workspace = environment.lambda_platform.terraform
    with tempfile.TemporaryDirectory(prefix="backstop-terraform-") as scratch:
        folder = Path(scratch)
        told = run(environment, command.version(workspace), folder, folder, timeout_seconds=PATIENCE_SECONDS)
    if told.exit_code or not told.noise:
        raise StepFailed(
            f"Terraform at `{workspace.binary}` does not run: it ended with {told.exit_code}.",
            hint="Install Terraform 1.5 or newer, or set `binary` in the environment's file.",
        )
    return told.noise[0]
