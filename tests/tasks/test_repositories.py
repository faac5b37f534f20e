"""The code of a release, from a real Git repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from blocks.settings import settings
from blocks.terraform_workspace import TerraformWorkspace
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from tasks.repositories import check_out, commit_of


class Repository:
    """A repository of two commits, the first tagged v1.0."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "infrastructure").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("one")
        self.git("tag", "v1.0")
        self.second = self.commit("two")

    def git(self, *arguments: str) -> str:
        """Run git as nobody in particular."""
        who = {
            f"GIT_{r}_{k}": v
            for r in ("AUTHOR", "COMMITTER")
            for k, v in (("NAME", "T"), ("EMAIL", "t@example.com"))
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=os.environ | who,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        """Write the infrastructure code and commit it."""
        (self.folder / "infrastructure" / "main.tf").write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", text)
        return self.git("rev-parse", "HEAD")

    def workspace(
        self, reference: str = "{release}", directory: str = "infrastructure"
    ) -> TerraformWorkspace:
        """The workspace of this repository."""
        return TerraformWorkspace(
            repository=str(self.folder), release_reference=reference, directory=directory
        )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A new repository."""
    return Repository(tmp_path / "service")


def test_a_release_is_a_commit_or_a_tag(repository: Repository) -> None:
    """By its id, shortened or whole, or by the tag the environment's file tells of."""
    assert commit_of.fn(repository.workspace(), repository.first) == repository.first
    assert commit_of.fn(repository.workspace(), repository.first[:10]) == repository.first
    assert commit_of.fn(repository.workspace("refs/tags/v{release}"), "1.0") == repository.first


def test_the_code_is_that_of_the_commit(repository: Repository, tmp_path: Path) -> None:
    """Not the newest: the target's own."""
    code = check_out.fn(repository.workspace(), repository.first, str(tmp_path / "out"))

    assert (code / "main.tf").read_text() == "one"


def test_a_checkout_is_made_once(repository: Repository, tmp_path: Path) -> None:
    """What Terraform has put there since stays."""
    code = check_out.fn(repository.workspace(), repository.first, str(tmp_path / "out"))
    (code / "kept").touch()

    assert check_out.fn(repository.workspace(), repository.first, str(tmp_path / "out")) == code
    assert (code / "kept").exists()


def test_a_commit_made_since_is_fetched(repository: Repository) -> None:
    """Our copy is brought up to date when it does not know a release."""
    commit_of.fn(repository.workspace(), repository.first)
    third = repository.commit("three")

    assert commit_of.fn(repository.workspace(), third) == third


def test_a_known_release_is_found_while_the_server_is_away(repository: Repository, tmp_path: Path) -> None:
    """An outage of the Git server at 3 a.m. does not stop a rollback to a release we have."""
    workspace = repository.workspace()
    commit_of.fn(workspace, repository.second)
    repository.folder.rename(tmp_path / "away")

    assert commit_of.fn(workspace, repository.first) == repository.first
    assert (check_out.fn(workspace, repository.first, str(tmp_path / "out")) / "main.tf").exists()
    with pytest.raises(StepFailed):
        commit_of.fn(workspace, "0" * 40)


def test_an_unknown_release_is_no_way_back(repository: Repository) -> None:
    """Said by name, with a hint."""
    with pytest.raises(NoWayBack, match="f00"):
        commit_of.fn(repository.workspace(), "f00")


def test_a_commit_without_infrastructure_is_no_way_back(repository: Repository, tmp_path: Path) -> None:
    """The folder of the environment's file is not in it."""
    with pytest.raises(NoWayBack, match="no folder elsewhere"):
        check_out.fn(repository.workspace(directory="elsewhere"), repository.first, str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["--upload-pack=id", "HEAD; id", "../..", "a b", "$(id)"])
def test_a_name_that_could_be_something_else_never_reaches_git(repository: Repository, name: str) -> None:
    """Refused before our copy is even made."""
    with pytest.raises(RecoveryRefused):
        commit_of.fn(repository.workspace(), name)

    assert not (settings().home / "repositories").exists()


def test_hooks_of_the_repository_do_not_run(repository: Repository, tmp_path: Path) -> None:
    """Its files are data to us."""
    hook = repository.folder / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)

    check_out.fn(repository.workspace(), repository.first, str(tmp_path / "out"))

    assert not (tmp_path / "ran").exists()
