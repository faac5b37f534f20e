"""Terraform command lines: complete, and without a secret."""

from __future__ import annotations

from pathlib import Path

from blocks.secret_reference import SecretReference
from blocks.terraform_workspace import TerraformWorkspace
from tasks import _terraform_command as command

WORKSPACE = TerraformWorkspace(
    repository="/srv/service.git",
    backend_config="backend-prod.hcl",
    var_file="prod.tfvars",
    binary="/opt/terraform",
    parallelism=7,
    lock_timeout_seconds=20,
    secret_environment={"TF_VAR_key": SecretReference(source="environment", name="THE_KEY")},
)
VARIABLES, SAVED = Path("/private/release.tfvars.json"), Path("/private/rollback.tfplan")


def test_init_names_the_backend_file() -> None:
    """Settings of the backend come from its file: single ones would stand on the command line."""
    assert command.init(WORKSPACE) == [
        "/opt/terraform", "init", "-input=false", "-no-color", "-reconfigure",
        "-backend-config=backend-prod.hcl", "-json",
    ]  # fmt: skip


def test_plan_saves_and_tells_by_its_exit_code() -> None:
    """The environment's variables first, the release's after them, so that they win."""
    assert command.plan(WORKSPACE, VARIABLES, SAVED) == [
        "/opt/terraform", "plan", "-input=false", "-no-color", "-detailed-exitcode", "-json", "-parallelism=7",
        "-lock-timeout=20s", "-var-file=prod.tfvars", f"-var-file={VARIABLES}", f"-out={SAVED}",
    ]  # fmt: skip


def test_a_plan_without_the_lock_says_so() -> None:
    """It neither takes it nor waits for it."""
    argv = command.plan(WORKSPACE, VARIABLES, None, lock=False)

    assert "-lock=false" in argv
    assert not [part for part in argv if part.startswith(("-lock-timeout", "-out"))]


def test_apply_takes_the_saved_plan_and_nothing_else() -> None:
    """No variables, no approval: the plan was shown and agreed."""
    assert command.apply(WORKSPACE, SAVED) == [
        "/opt/terraform", "apply", "-input=false", "-no-color", "-json", "-parallelism=7", "-lock-timeout=20s",
        str(SAVED),
    ]  # fmt: skip


def test_unlocking_names_the_lock() -> None:
    """By its id, which Terraform checks."""
    assert command.force_unlock(WORKSPACE, "a90b32d3") == [
        "/opt/terraform",
        "force-unlock",
        "-force",
        "a90b32d3",
    ]
