"""Git repositories: the code of a release, as a folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from blocks.terraform_workspace import TerraformWorkspace
from rules.errors import NoWayBack
from rules.names import commit_id, release_name
from tasks._git import fetched, git, own_copy, resolved
from tasks.kinds import probe


@probe
def commit_of(workspace: TerraformWorkspace, release: str) -> str:
    """The full commit id a release was built from.

    It is looked up in our own copy first: a release we know is found even while the Git server is away.

    Raises:
        NoWayBack: the repository knows no such release.
    """
    name = workspace.release_reference.replace("{release}", release_name(release))
    copy = own_copy(workspace)
    found = resolved(copy, name)
    if not found:
        found = resolved(fetched(workspace), name)
    if not found:
        raise NoWayBack(
            f"The repository {workspace.repository} knows no release {release}.",
            hint="Its branch may have been rewritten. Choose another release, or use the direct way.",
        )
    return commit_id(found)


@probe
def newest_commit(workspace: TerraformWorkspace) -> str:
    """The full id of the newest commit of the default branch, as the Git server has it now.

    Raises:
        StepFailed: the Git server cannot be asked: what is newest in our copy may be old.
    """
    return commit_id(resolved(fetched(workspace), "HEAD"))


@probe
def check_out(workspace: TerraformWorkspace, commit: str, folder: str) -> Path:
    """Write the files of a commit into `folder`, and return the path of the infrastructure code in it.

    A folder that was written completely is left as it is.

    Raises:
        NoWayBack: that commit has no infrastructure code.
    """
    wanted = Path(folder)
    if not wanted.exists():
        copy = own_copy(workspace)
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
            git(copy, "read-tree", commit_id(commit), extra=index)
            git(files, "checkout-index", "--all", "--force", extra=index)
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
