"""Reverts of commits: made in a clone of their own, checked, and pushed; never by force."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from blocks.environment import Environment
from ledger.cases import current_case
from rules.errors import NoWayBack, StepFailed, TransientFailure
from rules.names import commit_id
from rules.outcomes import Effect
from rules.reverts import RevertBy, branch_of, message_of, says_revert_of, standing_revert
from rules.values import Frozen
from tasks._git import fetched, git, resolved
from tasks._terraform_folders import folder_of
from tasks.kinds import action, probe

_LOST_RACES = 3
_BEHIND = ("fetch first", "non-fast-forward", "stale info", "failed to update ref", "incorrect old value")
_WHO = {"NAME": "Backstop", "EMAIL": "backstop@localhost"}


class Revert(Frozen):
    """A revert as a commit in our copy. `pushed` is the branch that holds it already; empty: none does."""

    commit: str
    reverted: str
    subject: str
    base: str
    """The default branch's name."""
    parent: str
    """The commit of that branch which it follows."""
    pushed: str = ""


@probe
def revert_of(environment: Environment, commit: str) -> Revert:
    """The revert of a commit on top of the default branch: found where it is pushed, else made in our copy only.

    Raises:
        NoWayBack: the commit is not part of the default branch, or its revert conflicts with later commits.
    """
    workspace = environment.lambda_platform.terraform
    copy = fetched(workspace)
    base = _default_branch(copy)
    tip = commit_id(resolved(copy, f"refs/heads/{base}"))
    if not _is_ancestor(copy, commit_id(commit), tip):
        raise NoWayBack(
            f"Commit {commit[:12]} is not part of {base}: there is nothing to revert there.",
            hint="Give the commit that was deployed, or look at which branch the pipeline deploys.",
        )
    subject = git(copy, "log", "-1", "--format=%s", "--end-of-options", commit).strip()
    for branch in (base, branch_of(commit)):
        found = _standing(copy, commit, branch)
        if found:
            return Revert(
                commit=found, reverted=commit, subject=subject, base=base, parent=tip, pushed=branch
            )
    made = _made(environment, copy, commit, subject, tip)
    return Revert(commit=made, reverted=commit, subject=subject, base=base, parent=tip)


@action(subject="commit {commit}")
def push_revert(environment: Environment, commit: str, how: RevertBy) -> Effect:
    """Push the revert of a commit to a branch of its own, or to the default branch. Repeating it changes nothing.

    A revert that is pushed already is found again, whoever made it; a branch that moved meanwhile is looked at again.

    Permissions: none in AWS: the Git server's, to push

    Raises:
        NoWayBack: its revert conflicts with what was committed meanwhile.
        StepFailed: the Git server refuses the push, for instance because the branch is protected.
    """
    workspace = environment.lambda_platform.terraform
    for _ in range(_LOST_RACES):
        revert = revert_of.fn(environment, commit)
        if revert.pushed:
            told = f"{revert.pushed} holds its revert {revert.commit[:12]}"
            return Effect(subject=commit, changed=False, after=revert.pushed, detail=told)
        branch = branch_of(commit) if how is RevertBy.PULL_REQUEST else revert.base
        copy = fetched(workspace)
        try:
            address = git(copy, "remote", "get-url", "origin").strip()
            git(copy, "push", "--quiet", "--", address, f"{revert.commit}:refs/heads/{branch}")
        except TransientFailure:
            raise
        except StepFailed as error:
            if any(word in error.message for word in _BEHIND):
                continue  # somebody was faster: what they pushed may be this very revert
            raise StepFailed(
                error.message,
                hint=f"If {branch} is protected, set `revert_by: pull request` in the environment's file.",
            ) from error
        told = f"reverted by {revert.commit[:12]} on {branch}"
        return Effect(subject=commit, changed=True, before=revert.parent[:12], after=branch, detail=told)
    raise TransientFailure(f"The branch moved {_LOST_RACES} times while the revert was pushed.")


def _default_branch(copy: Path) -> str:
    told = git(copy, "ls-remote", "--symref", "origin", "HEAD").partition("\n")[0]
    name = told.removeprefix("ref: refs/heads/").partition("\t")[0]
    if not told.startswith("ref: refs/heads/") or not resolved(copy, f"refs/heads/{name}"):
        raise NoWayBack("The repository has no default branch.", hint="Revert the commit by hand.")
    return name


def _is_ancestor(copy: Path, commit: str, tip: str) -> bool:
    try:
        return git(copy, "merge-base", "--end-of-options", commit, tip).strip() == commit
    except StepFailed:
        return False  # unknown here, or of another history


def _standing(copy: Path, commit: str, branch: str) -> str:
    tip = resolved(copy, f"refs/heads/{branch}")
    if not tip or not _is_ancestor(copy, commit, tip):
        return ""
    told = git(copy, "log", "--format=%H%n%B%x00", f"{commit}..{tip}")
    messages = {}
    for entry in told.split("\0"):
        name, _, message = entry.strip().partition("\n")
        if says_revert_of(commit)[:20] in message:
            messages[name] = message
    return standing_revert(commit, messages)


def _made(environment: Environment, copy: Path, commit: str, subject: str, tip: str) -> str:
    """Revert in a clone that is thrown away; the commit's id, the same for the same commit on the same tip."""
    parents = git(copy, "log", "-1", "--format=%P", "--end-of-options", commit).split()
    if not parents:
        raise NoWayBack(f"Commit {commit[:12]} is the first one: there is nothing before it.")
    when = git(copy, "log", "-1", "--format=%ct", "--end-of-options", tip).strip()
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _WHO.items()}
    who |= {"GIT_AUTHOR_DATE": f"@{when} +0000", "GIT_COMMITTER_DATE": f"@{when} +0000"}
    case = current_case.get()
    clone = Path(tempfile.mkdtemp(prefix="revert-", dir=folder_of(environment)))
    try:
        git(clone, "clone", "--quiet", "--shared", "--no-checkout", "--", str(copy), ".")
        git(clone, "checkout", "--quiet", "--detach", tip)
        mainline = ["-m", "1"] if len(parents) > 1 else []
        _revert(clone, commit, mainline, who)
        message = message_of(commit, subject, case.incident_id if case else "")
        git(clone, "commit", "--quiet", "--message", message, extra=who)
        made = commit_id(git(clone, "rev-parse", "HEAD").strip())
        # Kept by a name of ours: Git forgets commits that nothing names, and so would a clean-up of our copy.
        git(copy, "fetch", "--quiet", str(clone), f"+HEAD:refs/backstop/{branch_of(commit)}")
        return made
    finally:
        shutil.rmtree(clone, ignore_errors=True)


def _revert(clone: Path, commit: str, mainline: list[str], who: dict[str, str]) -> None:
    try:
        git(clone, "revert", "--no-commit", *mainline, commit, extra=who)
    except StepFailed as error:
        files = git(clone, "diff", "--name-only", "--diff-filter=U").split("\n")
        clashing = ", ".join(file for file in files if file)
        if not clashing:
            raise
        raise NoWayBack(
            f"The revert of {commit[:12]} conflicts with later commits in {clashing}; nothing was pushed.",
            hint=f"By hand: git revert {' '.join([*mainline, commit[:12]])}, resolve these files, git push.",
        ) from error
    if not git(clone, "status", "--porcelain").strip():
        raise NoWayBack(f"What {commit[:12]} changed is gone already: its revert is empty.")
