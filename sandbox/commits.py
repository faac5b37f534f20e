"""Commits that somebody pushes to the service's repository after its last release, and taking them away again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.history import Edit
from sandbox.releases import forget_later, git
from sandbox.world import Sandbox

_WRONG = Edit("infrastructure/functions.tf", "timeout       = 10", "timout        = 10")


def push_wrong_configuration(sandbox: Sandbox, environment: str) -> None:
    """A typing error: Terraform refuses the code before it reads anything."""
    forget_commits(sandbox, environment)
    with tempfile.TemporaryDirectory(prefix="backstop-service-") as folder:
        work = Path(folder) / "service"
        git(Path(folder), "clone", "--quiet", str(sandbox.home.repository), str(work))
        _WRONG.apply(work)
        git(work, "commit", "--quiet", "--all", "--message", "Give slow calls more time", number=4)
        git(work, "push", "--quiet", "origin", "main")


def forget_commits(sandbox: Sandbox, environment: str) -> None:
    """As it was built; what was asked for about these commits is gone from GitHub too."""
    forget_later(sandbox.home)
    sandbox.github.remove_pull_requests("backstop/")


def push_on_top(sandbox: Sandbox) -> None:
    """Somebody else's commit on the default branch, which has nothing to do with it."""
    with tempfile.TemporaryDirectory(prefix="backstop-service-") as folder:
        work = Path(folder) / "service"
        git(Path(folder), "clone", "--quiet", str(sandbox.home.repository), str(work))
        (work / "NOTES.md").write_text("Notes.\n", encoding="utf-8")
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message", "Take notes", number=5)
        git(work, "push", "--quiet", "origin", "main")
