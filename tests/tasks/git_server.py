"""A Git server for tests: a bare repository with a history of releases, and somebody who commits to it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from blocks.terraform_workspace import TerraformWorkspace

WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "T"), ("EMAIL", "t@example.com"))
}


class GitServer:
    """`bare` is the server, `work` a colleague's clone of it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.work = folder / "service.git", folder / "colleague"
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare], check=True)
        subprocess.run(["git", "clone", "--quiet", self.bare, self.work], check=True, capture_output=True)
        self.git("checkout", "--quiet", "-B", "main")

    def git(self, *arguments: str) -> str:
        """Run git in the colleague's clone."""
        return self._run(self.work, *arguments)

    def asked(self, *arguments: str) -> str:
        """Run git on the server itself."""
        return self._run(self.bare, *arguments)

    def _run(self, where: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=where, env=os.environ | WHO, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        """Write files (`main_tf` becomes infrastructure/main.tf), commit and push them; the commit."""
        for name, text in files.items():
            path = self.work / "infrastructure" / name.replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str, **files: str) -> str:
        """Commit files on a branch and merge it with a merge commit; that commit."""
        self.git("checkout", "--quiet", "-b", branch)
        self.commit(f"work on {branch}", **files)
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", f"Merge {branch}", branch)
        self.git("push", "--quiet", "origin", "main")
        return self.git("rev-parse", "HEAD")

    def file(self, branch: str, name: str = "main.tf") -> str:
        """A file's text on a branch of the server."""
        return self.asked("show", f"{branch}:infrastructure/{name}")

    def branches(self) -> set[str]:
        """The server's branches."""
        return set(self.asked("for-each-ref", "--format=%(refname:short)", "refs/heads").split())

    def reverts(self, commit: str, branch: str = "main") -> int:
        """How many commits of a branch say that they revert a commit."""
        told = self.asked("log", "--format=%H", f"--grep=This reverts commit {commit}", branch)
        return len(told.split())

    def workspace(self) -> TerraformWorkspace:
        """The workspace of this repository."""
        return TerraformWorkspace(repository=str(self.bare))
