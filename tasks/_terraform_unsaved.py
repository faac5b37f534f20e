"""States that an apply could not save: found in the incidents' folders, and pushed back."""

from __future__ import annotations

from pathlib import Path

from blocks.environment import Environment
from rules.errors import RecoveryRefused, StepFailed
from rules.state_locks import Holder
from rules.terraform_diagnostics import Diagnostic, as_error, diagnose
from rules.terraform_states import PUSHED, Standing, StateVersion, judge_unsaved, read_state
from rules.values import Frozen
from tasks import _terraform_command as command
from tasks._terraform_folders import folder_of, home_of
from tasks._terraform_logged import judged, run_logged
from tasks._terraform_state import read_saved_state, read_state_lock, same_place
from tasks.kinds import say

ERRORED = "errored.tfstate"
"""What Terraform itself calls it."""

_PUSHED = "pushed.tfstate"
_LARGEST = 100_000_000
"""Characters. What is cut off there is no JSON any more."""


class UnsavedState(Frozen):
    """A state file beside what is saved in its place."""

    file: str
    version: StateVersion
    saved: StateVersion | None
    standing: Standing


def look_at(environment: Environment, code: Path, file: Path) -> UnsavedState:
    """One state file, compared with what the backend of `code` holds now.

    Raises:
        RecoveryRefused: there is no such file, or it is no Terraform state.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            version = read_state(opened.read(_LARGEST))
    except (OSError, ValueError) as error:
        raise RecoveryRefused(
            f"{file} is not a Terraform state that can be read here: {type(error).__name__}.",
            hint="Give the whole path of the `errored.tfstate` that the failed apply left, on this host.",
        ) from error
    body = read_saved_state(environment, code)
    saved = read_state(body) if body else None
    return UnsavedState(file=str(file), version=version, saved=saved, standing=judge_unsaved(version, saved))


def own_unsaved(environment: Environment, code: Path) -> UnsavedState | None:
    """The newest state that an apply of ours could not save, and nobody has saved since; None: there is none."""
    directory = environment.lambda_platform.terraform.directory
    waiting = []
    for file in home_of(environment).glob(f"*/code-*/{directory}/{ERRORED}"):
        try:
            found = look_at(environment, code, file)
        except RecoveryRefused as error:
            say(f"Left alone: {error.message}")  # half a file, of a full disk
            continue
        if found.standing in PUSHED and same_place(code, file.parent):
            waiting.append(found)
    return max(waiting, key=lambda each: each.version.serial, default=None)


def refuse_beside_unsaved(environment: Environment, code: Path) -> None:
    """Keep Terraform from planning on an older state than the newest: it would make things a second time.

    Raises:
        StepFailed: a state of ours waits to be saved.
    """
    waiting = own_unsaved(environment, code)
    if waiting:
        raise StepFailed(
            f"An apply could not save its state ({waiting.version}; saved is {waiting.saved or 'nothing'}).",
            hint="Let `preprod-terraform-failure` push it back first: planning without it makes things twice. "
            f"It is kept in {waiting.file}.",
        )


def push(environment: Environment, code: Path, waiting: UnsavedState) -> None:
    """Push a state into the place of the older saved one, of which a copy is kept. Never by force.

    Raises:
        TransientFailure: the backend did not answer.
        StepFailed: it refused, or holds something else afterwards.
    """
    say(
        f"Saving the state that could not be saved: {waiting.version}, in place of {waiting.saved or 'nothing'}."
    )
    file = Path(waiting.file)
    keep_saved_state(environment, code)
    workspace = environment.lambda_platform.terraform
    held = read_state_lock(environment, code)
    ours = held is not None and judged(environment, held).holder is Holder.THIS_RECOVERY
    argv = command.push_state(workspace, file, lock=not ours)
    done = run_logged(environment, argv, code, workspace.timeout_seconds, locks=not ours)
    if done.exit_code:
        raise as_error("save the state", [diagnose(Diagnostic(summary=done.text[-1500:]))])
    if look_at(environment, code, file).standing is not Standing.SAVED:
        raise StepFailed(
            "The backend holds another state than the one that was pushed.",
            hint=f"Somebody else writes this state. The one that could not be saved is kept in {file}.",
        )
    if home_of(environment) in file.parents:
        file.rename(file.with_name(_PUSHED))


def keep_saved_state(environment: Environment, code: Path) -> None:
    """Keep a private copy of the saved state in the incident's folder."""
    saved = read_saved_state(environment, code)
    if saved:
        kept = folder_of(environment) / f"state-before-{read_state(saved).serial}.tfstate"
        kept.touch(mode=0o600)
        kept.write_text(saved, encoding="utf-8")


def is_put_away(file: Path) -> bool:
    """Whether a state of ours was pushed before, by a run that died right after."""
    return not file.exists() and file.with_name(_PUSHED).exists()
