"""Terraform command lines, built and not run. python-terraform spells the options; running them is elsewhere.

No secret is ever on a command line: other users of the machine can read it. Secrets go in by the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged, Terraform

from blocks.terraform_workspace import TerraformWorkspace


class _Spelling(Terraform):  # type: ignore[misc]  # the library has no types
    """python-terraform's command builder, without its reading of state files and its guessing of commands."""

    def read_state_file(self, file_path: str | None = None) -> None:
        """Nothing is read while a command line is built."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # the library turns every misspelt name into a Terraform command


def _spell(workspace: TerraformWorkspace, verb: str, *arguments: str, **options: object) -> list[str]:
    binary = (
        str(Path(workspace.binary).expanduser()) if workspace.binary.startswith("~") else workspace.binary
    )
    built = _Spelling(terraform_bin_path=binary).generate_cmd_string(verb, *arguments, **options)
    return [str(part) for part in built]


def version(workspace: TerraformWorkspace) -> list[str]:
    """Say which Terraform it is."""
    return _spell(workspace, "version")


def init(workspace: TerraformWorkspace) -> list[str]:
    """Prepare a working directory for the workspace's own backend."""
    return _spell(
        workspace,
        "init",
        input=False,
        no_color=IsFlagged,
        reconfigure=IsFlagged,
        backend_config=workspace.backend_config,  # a file: single settings would stand on the command line
        json=IsFlagged,
    )


def plan(
    workspace: TerraformWorkspace,
    variables: Path,
    out: Path | None,
    *,
    lock: bool = True,
    destroy: Sequence[str] | None = None,
) -> list[str]:
    """Plan with the release's variables; exit code 0 means no changes, 2 changes. `out` saves the plan.

    With `destroy` it is a plan to destroy these addresses.
    """
    files = [workspace.var_file] if workspace.var_file else []
    return _spell(
        workspace,
        "plan",
        input=False,
        no_color=IsFlagged,
        detailed_exitcode=IsFlagged,
        json=IsFlagged,
        parallelism=workspace.parallelism,
        lock=None if lock else False,
        lock_timeout=f"{workspace.lock_timeout_seconds}s" if lock else None,
        var_file=[*files, str(variables)],
        out=str(out) if out else None,
        destroy=IsFlagged if destroy else None,
        target=list(destroy) if destroy else None,
    )


def show(workspace: TerraformWorkspace, saved: Path) -> list[str]:
    """Print a saved plan as JSON."""
    return _spell(workspace, "show", str(saved), no_color=IsFlagged, json=IsFlagged)


def apply(workspace: TerraformWorkspace, saved: Path, *, lock: bool = True) -> list[str]:
    """Apply a saved plan, and nothing else: it holds its variables and needs no approval of Terraform's.

    Without `lock` only where the caller holds the state's lock itself.
    """
    return _spell(
        workspace,
        "apply",
        str(saved),
        input=False,
        no_color=IsFlagged,
        json=IsFlagged,
        parallelism=workspace.parallelism,
        lock=None if lock else False,
        lock_timeout=f"{workspace.lock_timeout_seconds}s" if lock else None,
    )


def push_state(workspace: TerraformWorkspace, file: Path, *, lock: bool = True) -> list[str]:
    """Write a state file into the backend. Terraform refuses an older one, and one of another line."""
    return _spell(
        workspace,
        "state push",
        str(file),
        no_color=IsFlagged,
        lock=None if lock else False,
        lock_timeout=f"{workspace.lock_timeout_seconds}s" if lock else None,
    )


def force_unlock(workspace: TerraformWorkspace, lock_id: str) -> list[str]:
    """Remove the lock with this id. Terraform checks the id, and not who holds it."""
    return _spell(workspace, "force-unlock", lock_id, force=IsFlagged)
