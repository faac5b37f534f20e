"""Git, run so that it never asks, runs nothing of the repository's, and our own bare copy of each repository."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from blocks.settings import settings
from blocks.terraform_workspace import TerraformWorkspace
from rules.errors import StepFailed, TransientFailure

_LONGEST_SECONDS = 120.0
_PASSING = (
    "Could not resolve host", "Connection", "timed out", "Operation too slow", "early EOF", "HTTP 5",
    "cannot lock ref",
)  # fmt: skip
_REASONS = ("fatal:", "error:", " ! [")


def fetched(workspace: TerraformWorkspace) -> Path:
    """Our copy, brought up to date."""
    copy = own_copy(workspace)
    git(copy, "fetch", "--prune", "--tags", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
    return copy


def own_copy(workspace: TerraformWorkspace) -> Path:
    """Our bare copy of the repository, made when there is none."""
    address = workspace.repository
    if address.startswith(("~/", "./")) or ":" not in address:
        address = str(Path(address).expanduser().absolute())
    home = settings().home / "repositories"
    copy = home / hashlib.sha256(address.encode()).hexdigest()[:16]
    if not copy.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".clone-", dir=home))
        try:
            git(home, "clone", "--quiet", "--mirror", "--", address, str(draft / "copy.git"))
            try:
                (draft / "copy.git").rename(copy)
            except OSError:
                if not copy.exists():  # another process was faster: its copy is as good
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return copy


def resolved(copy: Path, name: str) -> str:
    """The full id of the commit that a name stands for; empty: the copy knows none."""
    try:
        answer = git(copy, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except StepFailed:
        return ""
    return answer.strip()


def git(directory: Path, *arguments: str, extra: dict[str, str] | None = None) -> str:
    """Run git; it never asks, runs no hooks, and follows no address that is a command."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C", **(extra or {})}
    safe = ["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"]
    try:
        done = subprocess.run(
            ["git", *safe, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise StepFailed("There is no `git` on this host.", hint="Install git.") from error
    except subprocess.TimeoutExpired as error:
        raise TransientFailure(f"git {arguments[0]} took longer than {_LONGEST_SECONDS:g} s.") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        told = [line.strip() for line in lines if line.startswith(_REASONS)] or lines[-1:]
        kind = TransientFailure if any(word in done.stderr for word in _PASSING) else StepFailed
        raise kind(
            f"git {arguments[0]} failed: {told[0]}", hint="Check the repository's address and its access."
        )
    return done.stdout
