"""A test kit's settings as the kit would read them, and what is committed of its folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.kit_settings import Place, read_settings
from rules.values import Frozen
from tasks.blocked_accounts import blocked_accounts
from tasks.kinds import probe

_GIT_SECONDS = 20.0


class Committed(Frozen):
    """Files that git tracks; None: the folder is no repository."""

    settings: tuple[str, ...] | None
    artifacts: tuple[str, ...] | None


def kit_place(environment: Environment) -> Place:
    """Where test runs are to act, as the environment and the list of blocked accounts say."""
    kit, account = environment.test_kit, environment.aws
    return Place(
        name=environment.name,
        account_id=account.account_id,
        region=account.region,
        targets=kit.targets,
        blocked_accounts=tuple({*kit.blocked_accounts, *blocked_accounts()}),
    )


@probe
def kit_settings(environment: Environment) -> dict[str, str]:
    """The kit's own settings in its `.env`, by name; a secret among them is left out. Permissions: none.

    Raises:
        StepFailed: the file is there and cannot be read.
    """
    path = Path(environment.test_kit.folder).expanduser() / ".env"
    wanted = set(environment.test_kit.variables.model_dump().values())
    try:
        found = read_settings(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StepFailed(f"The kit's settings in {path} cannot be read: {type(error).__name__}.") from error
    return {name: value for name, value in found.items() if name in wanted}


@probe
def committed_files(environment: Environment) -> Committed:
    """What git tracks of the kit's settings and artifacts. Permissions: none."""
    folder = Path(environment.test_kit.folder).expanduser()
    artifacts = Path(environment.test_kit.artifacts).expanduser()
    return Committed(
        settings=_tracked(folder, ".env", ".env.*"),
        artifacts=_tracked(folder, str(artifacts)) if artifacts.is_relative_to(folder) else None,
    )


def _tracked(folder: Path, *paths: str) -> tuple[str, ...] | None:
    words = ["git", "ls-files", "-z", "--", *paths]
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepFailed(f"git could not be asked about {folder}: {type(error).__name__}.") from error
    if done.returncode:
        return None
    return tuple(name for name in done.stdout.split("\0") if name)


@probe
def folder_taken(environment: Environment, run_id: str) -> bool:
    """Whether a run's folder exists already. Permissions: none."""
    return (Path(environment.test_kit.artifacts).expanduser() / run_id).exists()
