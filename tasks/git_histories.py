"""Exposed secrets in a repository's history: whether they are there, and a cleaned history for review.

The repository itself is never rewritten and nothing is ever pushed by force: branches are rewritten in a fresh clone
and pushed under new names. Forks, caches and pull requests keep what was committed: only a dead secret is harmless.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from blocks.environment import Environment
from blocks.settings import settings
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.values import Frozen
from tasks._git import git
from tasks.evidence import exposed_values
from tasks.kinds import action, probe

PREFIX = "backstop/cleaned"
_SECONDS = 600.0
_CHUNK = 1 << 20


class History(Frozen):
    """What is known of a repository's history."""

    holds: bool
    """Whether one of the secrets is in it, in any branch or tag."""
    cleaned: tuple[str, ...]
    """Branches that wait for review."""


@probe
def history_of(environment: Environment, run_id: str, repository: str, personal: bool = False) -> History:
    """Whether a credential of a run's evidence (or personal data in it) is anywhere in a repository's history.

    Permissions: s3:GetObject

    Raises:
        StepFailed: the repository cannot be cloned.
    """
    values = exposed_values(environment, run_id, personal=personal)
    with _clone(repository) as clone:
        cleaned = tuple(name for name in _heads(clone) if name.startswith(f"{PREFIX}/"))
        return History(holds=_holds(clone, values), cleaned=cleaned)


@action(subject="history of {repository}")
def clean_history(environment: Environment, run_id: str, repository: str, personal: bool = False) -> Effect:
    """Push branches whose history is free of what a run leaked, under new names. Repeating it changes nothing.

    Permissions: s3:GetObject

    Raises:
        StepFailed: it could not be cloned, cleaned or pushed; nothing was pushed that still holds one.
    """
    subject, values = f"history of {repository}", exposed_values(environment, run_id, personal=personal)
    with _clone(repository) as clone:
        if not _holds(clone, values):
            return Effect(subject=subject, changed=False, after="clean", detail="no branch holds one of them")
        before = _heads(clone)
        _filter(clone, values)
        if _holds(clone, values):
            raise StepFailed(
                "The history still holds a secret after it was cleaned; nothing was pushed.",
                hint="It may be inside an archive that was committed: remove that file with git filter-repo.",
            )
        changed = {name: commit for name, commit in _heads(clone).items() if before.get(name) != commit}
        wanted = {f"{PREFIX}/{name}-{commit[:8]}": commit for name, commit in changed.items()}
        there = {name for name, commit in before.items() if wanted.get(name) == commit}
        for name in wanted.keys() - there:
            git(clone, "push", "--quiet", _address(repository), f"{wanted[name]}:refs/heads/{name}")
    told = ", ".join(sorted(wanted))
    if not wanted.keys() - there:
        return Effect(subject=subject, changed=False, after=told, detail="they were pushed already")
    return Effect(subject=subject, changed=True, before="secrets in it", after=told, detail="for review")


def _address(repository: str) -> str:
    if repository.startswith(("/", "~")):
        return str(Path(repository).expanduser())
    return repository


@contextmanager
def _clone(repository: str) -> Iterator[Path]:
    """A fresh clone of all branches, private, gone afterwards."""
    home = settings().home / "evidence"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="history-", dir=home) as folder:
        clone = Path(folder) / "clone.git"
        git(home, "clone", "--quiet", "--mirror", "--no-local", "--", _address(repository), str(clone))
        yield clone


def _heads(clone: Path) -> dict[str, str]:
    told = git(clone, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads")
    return dict(line.split() for line in told.splitlines())


def _holds(clone: Path, values: set[bytes]) -> bool:
    """Whether one of the values is in any object that a branch or a tag reaches: files, messages, names."""
    longest = max((len(value) for value in values), default=0)
    words = "git rev-list --objects --no-object-names --branches --tags | git cat-file --batch --buffer"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    with subprocess.Popen(
        ["sh", "-c", words], cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as running:
        output, carry, found = cast("IO[bytes]", running.stdout), b"", False
        while chunk := output.read(_CHUNK):
            block = carry + chunk
            found = found or any(value in block for value in values)
            carry = block[-longest:] if longest else b""
    if running.returncode:
        raise StepFailed("The history could not be read: git cat-file failed.")
    return found


def _filter(clone: Path, values: set[bytes]) -> None:
    rules = clone.parent / "replacements"
    with os.fdopen(os.open(rules, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        # Longest first: one may be within another. A value of several lines is replaced line by line.
        lines = {line for value in values for line in value.splitlines() if len(line.strip()) >= 8}
        for line in sorted(lines, key=lambda each: (-len(each), each)):
            file.write(b"literal:" + line + b"==>[removed]\n")
    words = [sys.executable, "-m", "git_filter_repo", "--force", "--quiet"]
    words += ["--replace-text", str(rules), "--replace-message", str(rules)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        words, cwd=clone, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    rules.unlink()
    if done.returncode:
        raise StepFailed(
            f"git filter-repo failed: {done.stderr.strip().splitlines()[-1:] or 'no reason given'}.",
            hint="Nothing was pushed. Clean the history by hand.",
        )
