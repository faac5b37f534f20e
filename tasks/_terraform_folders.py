"""Where Terraform works: one folder for each incident, below the installation's home."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from blocks.environment import Environment
from blocks.settings import settings
from ledger.cases import current_case

_KEPT_DAYS = 14


def home_of(environment: Environment) -> Path:
    """Where the incidents' folders of an environment are."""
    return settings().home / "terraform" / environment.name


def folder_of(environment: Environment) -> Path:
    """The running incident's folder, private: plans hold sensitive values in clear."""
    case = current_case.get()
    folder = home_of(environment) / (case.incident_id if case else f"look-{os.getpid()}")
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        _forget_old(home_of(environment))
    return folder


def saved_plan(environment: Environment) -> Path:
    """The file of the running incident's saved plan."""
    return folder_of(environment) / "rollback.tfplan"


def _forget_old(home: Path) -> None:
    """Remove incidents' folders that nobody needs any more; one with an unsaved state is kept."""
    oldest = time.time() - _KEPT_DAYS * 86400
    for folder in home.iterdir():
        if folder.stat().st_mtime < oldest and not any(folder.rglob("errored.tfstate")):
            shutil.rmtree(folder, ignore_errors=True)
