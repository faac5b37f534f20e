"""The lock of a Terraform state: who holds it, and removing one whose holder is proven dead."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from blocks.environment import Environment
from ledger.cases import current_case
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.state_locks import DEAD, FREEZE, Holder, Judgement, StateLock
from rules.terraform_diagnostics import as_error
from rules.values import Frozen
from tasks import _terraform_command as command
from tasks._terraform_folders import folder_of
from tasks._terraform_logged import judged, run_logged
from tasks._terraform_state import read_state_lock, remove_state_lock, write_state_lock
from tasks._terraform_survivors import settle
from tasks.kinds import action, probe, say
from tasks.terraform_runs import init_workspace

_UNLOCK_SECONDS = 60.0


class LockEvidence(Frozen):
    """A held lock, and what is known of its holder."""

    lock: StateLock
    judgement: Judgement


@probe
def lock_evidence(environment: Environment, release: str, commit: str) -> LockEvidence | None:
    """Who holds the state's lock, and what proves it; None: nobody. Terraform is not asked: it would take it.

    Permissions: s3:GetObject, dynamodb:GetItem
    """
    lock = read_state_lock(environment, init_workspace.fn(environment, release, commit))
    return LockEvidence(lock=lock, judgement=judged(environment, lock)) if lock else None


@action(subject="the state lock of {release}")
def release_dead_lock(environment: Environment, release: str, commit: str) -> Effect:
    """Remove the state's lock if a dead run of ours left it. Repeating it changes nothing.

    A lock of anybody else is left alone, whatever its age.

    Permissions: s3:GetObject, s3:DeleteObject, dynamodb:GetItem, dynamodb:DeleteItem
    """
    code = init_workspace.fn(environment, release, commit)
    settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
    lock = read_state_lock(environment, code)
    if lock is None:
        return Effect(subject=_SUBJECT, changed=False, detail="nobody holds it")
    found = judged(environment, lock)
    if found.holder is not Holder.OUR_DEAD:
        return Effect(subject=_SUBJECT, changed=False, before=lock.id, detail=f"left alone: {found.reason}")
    return _unlocked(environment, code, lock, found)


@action(subject="the state lock {lock_id}")
def remove_lock(environment: Environment, release: str, commit: str, lock_id: str) -> Effect:
    """Remove the one lock that was agreed on, if its holder is still proven dead. Repeating it changes nothing.

    Permissions: s3:GetObject, s3:DeleteObject, dynamodb:GetItem, dynamodb:DeleteItem

    Raises:
        StepFailed: somebody else holds the lock by now, or its holder is not proven dead any more.
    """
    code = init_workspace.fn(environment, release, commit)
    settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
    lock = read_state_lock(environment, code)
    if lock is None:
        return Effect(subject=_SUBJECT, changed=False, before=lock_id, after="free", detail="nobody holds it")
    found = judged(environment, lock)
    if lock.id != lock_id or found.holder not in DEAD:
        raise StepFailed(
            f"The lock is left alone: agreed was {lock_id}, and {found.reason}.",
            hint="Somebody works on this state. Wait for them; start again if the lock stays.",
        )
    return _unlocked(environment, code, lock, found)


@action(subject="the state of {release}")
def freeze_state(environment: Environment, release: str, commit: str) -> Effect:
    """Keep deployments out by Terraform's own lock while this incident recovers. Repeating it changes nothing.

    Whoever wants to deploy meanwhile is refused by Terraform itself, and reads which incident is at work.

    Permissions: s3:GetObject, s3:PutObject, dynamodb:GetItem, dynamodb:PutItem

    Raises:
        StepFailed: somebody else holds the lock.
    """
    code = init_workspace.fn(environment, release, commit)
    incident = _incident()
    lock = read_state_lock(environment, code)
    ours = lock is not None and judged(environment, lock).holder is Holder.THIS_RECOVERY
    # A run before us may have died between the two places where a lock is kept: the same id completes it.
    body = {
        "ID": lock.id if lock and ours else str(uuid4()),
        "Operation": FREEZE,
        "Info": f"{incident} keeps deployments out while it recovers; do not unlock",
        "Who": f"backstop@{platform.node()}",
        "Version": "",
        "Created": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "Path": environment.name,
    }
    if not write_state_lock(environment, code, body):
        held = read_state_lock(environment, code)
        raise StepFailed(
            f"The state cannot be frozen: {judged(environment, held).reason if held else 'its lock changed hands'}.",
            hint="Somebody is deploying. Wait for them, or stop their deployment.",
        )
    return Effect(subject=_SUBJECT, changed=not ours, after="frozen", detail=f"by {incident}")


@action(subject="the state of {release}")
def thaw_state(environment: Environment, release: str, commit: str) -> Effect:
    """Let deployments in again: give back the freeze of this incident, and no other lock. Repeating it changes nothing.

    Permissions: s3:GetObject, s3:DeleteObject, dynamodb:GetItem, dynamodb:DeleteItem
    """
    code = init_workspace.fn(environment, release, commit)
    lock = read_state_lock(environment, code)
    if lock is None or judged(environment, lock).holder is not Holder.THIS_RECOVERY:
        return Effect(
            subject=_SUBJECT, changed=False, after="free", detail="it is not frozen by this incident"
        )
    remove_state_lock(environment, code, lock.id)
    return Effect(subject=_SUBJECT, changed=True, before="frozen", after="free")


def _incident() -> str:
    case = current_case.get()
    return case.incident_id if case else ""


_SUBJECT = "state lock"


def _unlocked(environment: Environment, code: Path, lock: StateLock, found: Judgement) -> Effect:
    again = read_state_lock(environment, code)
    if again is None or again.id != lock.id:
        return Effect(subject=_SUBJECT, changed=False, detail="it changed hands: left alone")
    say(f"Unlocking the state: {found.reason}.")
    argv = command.force_unlock(environment.lambda_platform.terraform, lock.id)
    done = run_logged(environment, argv, code, _UNLOCK_SECONDS)
    if done.exit_code:
        raise as_error("unlock the state", done.diagnoses, done.text[-400:])
    return Effect(subject=_SUBJECT, changed=True, before=lock.id, after="free", detail=found.reason)
