"""The state of a Terraform configuration: one that could not be saved, and saving it."""

from __future__ import annotations

from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.terraform_states import PUSHED, Standing, StateVersion, read_state
from tasks._terraform_folders import folder_of
from tasks._terraform_state import read_saved_state
from tasks._terraform_survivors import settle
from tasks._terraform_unsaved import UnsavedState, is_put_away, look_at, own_unsaved, push
from tasks.kinds import action, probe
from tasks.terraform_runs import init_workspace


@probe
def unsaved_state(
    environment: Environment, release: str, commit: str, file: str | None = None
) -> UnsavedState | None:
    """The state in `file`, else the newest that an apply of ours could not save, beside the saved one.

    Permissions: s3:GetObject

    Raises:
        RecoveryRefused: `file` is no state that can be read on this host.
    """
    code = init_workspace.fn(environment, release, commit)
    return look_at(environment, code, Path(file)) if file else own_unsaved(environment, code)


@probe
def saved_state(environment: Environment, release: str, commit: str) -> StateVersion:
    """The state that the backend holds.

    Permissions: s3:GetObject

    Raises:
        StepFailed: there is none, or it cannot be read.
    """
    code = init_workspace.fn(environment, release, commit)
    try:
        return read_state(read_saved_state(environment, code))
    except ValueError as error:
        raise StepFailed(
            f"The backend of {environment.name} holds no state that can be read.",
            hint="Look for it in the bucket's versions before anything is deployed.",
        ) from error


@action(subject="the state in {file}")
def push_state(environment: Environment, release: str, commit: str, file: str, content: str) -> Effect:
    """Save the state that an apply could not save, in place of an older one. Repeating it changes nothing.

    Permissions: s3:GetObject, s3:PutObject, dynamodb:GetItem, dynamodb:PutItem, dynamodb:DeleteItem

    Raises:
        TransientFailure: the backend did not answer.
        StepFailed: it is not the agreed state, not newer than the saved one any more, or the backend refuses it.
    """
    code = init_workspace.fn(environment, release, commit)
    settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
    found = None if is_put_away(Path(file)) else look_at(environment, code, Path(file))
    if found is None or found.standing is Standing.SAVED:
        return Effect(subject=_SUBJECT, changed=False, after="saved", detail="it is saved already")
    if found.version.content != content or found.standing not in PUSHED:
        raise StepFailed(
            f"The state is not saved: it is {found.standing.value}, or not the one that was agreed on.",
            hint="Look at both states by hand; never push with -force.",
        )
    push(environment, code, found)
    return Effect(
        subject=_SUBJECT, changed=True, before=str(found.saved or "nothing"), after=str(found.version)
    )


_SUBJECT = "terraform state"
