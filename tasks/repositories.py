"""Git repositories: the code of a release, as a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from blocks.settings import settings
from blocks.terraform_workspace import TerraformWorkspace
from rules.errors import NoWayBack, StepFailed, TransientFailure
from rules.names import commit_id, release_name
from tasks.kinds import probe

_LONGEST_SECONDS = 120.0
_PASSING = ("Could not resolve host", "Connection", "timed out", "Operation too slow", "early EOF", "HTTP 5")


@probe
def commit_of(workspace: TerraformWorkspace, release: str) -> str:
    """The full commit id a release was built from.

    It is looked up in our own copy first: a release we know is found even while the Git server is away.

    Raises:
        NoWayBack: the repository knows no such release.
    """
    name = workspace.release_reference.replace("{release}", release_name(release))
    copy = _copy(workspace)
    found = _resolved(copy, name)
    if not found:
        _git(copy, "fetch", "--prune", "--tags", "--quiet", "origin", "+refs/heads/*:refs/heads/*")
        found = _resolved(copy, name)
    if not found:
        raise NoWayBack(
            f"The repository {workspace.repository} knows no release {release}.",
            hint="Its branch may have been rewritten. Choose another release, or use the direct way.",
        )
    return commit_id(found)


@probe
def check_out(workspace: TerraformWorkspace, commit: str, folder: str) -> Path:
    """Write the files of a commit into `folder`, and return the path of the infrastructure code in it.

    A folder that was written completely is left as it is.

    Raises:
        NoWayBack: that commit has no infrastructure code.
    """
    wanted = Path(folder)
    if not wanted.exists():
        copy = _copy(workspace)
        wanted.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".checkout-", dir=wanted.parent))
        try:
            files = draft / "files"
            files.mkdir()
            index = {
                "GIT_INDEX_FILE": str(draft / ".index"),
                "GIT_DIR": str(copy),
                "GIT_WORK_TREE": str(files),
            }
            _git(copy, "read-tree", commit_id(commit), extra=index)
            _git(files, "checkout-index", "--all", "--force", extra=index)
            files.rename(wanted)  # at once or not at all: half a checkout must not look like one
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    code = wanted / workspace.directory
    if not code.is_dir():
        raise NoWayBack(
            f"Commit {commit[:12]} has no folder {workspace.directory}.",
            hint="Correct `directory` in the environment's file, or choose another release.",
        )
    return code


def _copy(workspace: TerraformWorkspace) -> Path:
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
            _git(home, "clone", "--quiet", "--mirror", "--", address, str(draft / "copy.git"))
            try:
                (draft / "copy.git").rename(copy)
            except OSError:
                if not copy.exists():  # another process was faster: its copy is as good
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return copy


def _resolved(copy: Path, name: str) -> str:
    try:
        answer = _git(copy, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except StepFailed:
        return ""
    return answer.strip()


def _git(directory: Path, *arguments: str, extra: dict[str, str] | None = None) -> str:
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
        told = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        kind = TransientFailure if any(word in done.stderr for word in _PASSING) else StepFailed
        raise kind(
            f"git {arguments[0]} failed: {told[0]}", hint="Check the repository's address and its access."
        )
    return done.stdout
