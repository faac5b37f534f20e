"""Saved plans: made, read, and applied as they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.outcomes import Effect
from rules.plans import Change
from rules.state_locks import Holder, StateLock
from rules.terraform_diagnostics import Cause, Diagnosis, as_error, deciding
from rules.terraform_plans import TerraformPlan, beyond, drifted, planned_changes, read_changes
from tasks import _terraform_command as command
from tasks._terraform_folders import saved_plan
from tasks._terraform_logged import judged, run_logged
from tasks._terraform_process import TerraformRun
from tasks._terraform_ready import forget_if_not_ready
from tasks._terraform_state import read_state_lock, remove_state_lock
from tasks._terraform_unsaved import refuse_beside_unsaved
from tasks.kinds import pause, say

VARIABLES = "backstop.tfvars.json"
"""The file of the release's variables, beside the code."""

_NEEDS_NO_LOCK = frozenset({Holder.OUR_DEAD, Holder.THIS_RECOVERY})
"""Holders beside whom a plan may be made without taking the lock: nobody writes the state."""


def planned(environment: Environment, code: Path, *, destroy: Sequence[str] | None = None) -> TerraformPlan:
    """Plan and save the plan; with `destroy`, a plan to destroy these addresses and nothing else.

    Raises:
        TransientFailure: throttling, a 5xx answer, a lost connection.
        StepFailed: anything else that Terraform says, or a state of ours waits to be saved.
    """
    refuse_beside_unsaved(environment, code)
    workspace, saved = environment.lambda_platform.terraform, saved_plan(environment)
    saved.unlink(missing_ok=True)
    lock = read_state_lock(environment, code)
    done = _plan(environment, code, saved, lock, destroy)
    first = deciding(done.diagnoses)
    if first and first.lock and judged(environment, first.lock).holder in _NEEDS_NO_LOCK:
        done = _plan(environment, code, saved, first.lock, destroy)  # we left it ourselves, in this very run
    if done.exit_code not in (0, 2):
        forget_if_not_ready(code, done.diagnoses)
        raise as_error("plan", done.diagnoses, done.text[-400:])
    shown = None
    if done.exit_code == 2:
        argv = command.show(workspace, saved)
        told = run_logged(environment, argv, code, workspace.timeout_seconds, keep_output=False)
        if told.exit_code or not told.events:
            raise as_error("read the plan", told.diagnoses, told.text[-400:])
        shown = told.events[-1]
    return result_of(done, shown)


def wait_for_others(environment: Environment, code: Path) -> None:
    """Return once nobody else works on the state; what a dead run of ours left does not matter to a reader.

    Raises:
        StepFailed: somebody does, for longer than the workspace waits for a lock.
    """
    give_up = time.monotonic() + environment.lambda_platform.terraform.lock_timeout_seconds
    while lock := read_state_lock(environment, code):
        if judged(environment, lock).holder in _NEEDS_NO_LOCK:
            return
        if time.monotonic() >= give_up:
            held = Diagnosis(cause=Cause.STATE_LOCK, text=Cause.STATE_LOCK.value, lock=lock)
            raise as_error("compare Terraform with the world", [held])
        pause(1)


def _plan(
    environment: Environment, code: Path, saved: Path, lock: StateLock | None, destroy: Sequence[str] | None
) -> TerraformRun:
    """Plan, without taking the lock where only a dead run of ours, or this recovery, holds it."""
    found = judged(environment, lock) if lock else None
    ours = found is not None and found.holder in _NEEDS_NO_LOCK
    if found and ours:
        say(f"{found.reason}: planning without the lock.")
    workspace = environment.lambda_platform.terraform
    argv = command.plan(workspace, code / VARIABLES, saved, lock=not ours, destroy=destroy)
    return run_logged(environment, argv, code, workspace.timeout_seconds, locks=not ours)


def applied(environment: Environment, code: Path) -> TerraformRun | None:
    """Apply the saved plan; None when it is stale."""
    workspace, saved = environment.lambda_platform.terraform, saved_plan(environment)
    held = read_state_lock(environment, code)
    ours = held is not None and judged(environment, held).holder is Holder.THIS_RECOVERY
    argv = command.apply(workspace, saved, lock=not ours)
    done = run_logged(environment, argv, code, workspace.timeout_seconds, locks=not ours)
    first = deciding(done.diagnoses)
    if done.exit_code and first and first.cause is Cause.STALE_PLAN:
        saved.unlink(missing_ok=True)
        return None
    if done.exit_code and first and first.lock and judged(environment, first.lock).holder is Holder.OUR_DEAD:
        remove_state_lock(environment, code, first.lock.id)
        raise TransientFailure(
            "Terraform met a lock that it had taken itself: a reply was lost. Nothing was applied.",
            hint="The lock is removed, and it is tried again.",
        )
    if done.exit_code:
        raise as_error("apply the plan", done.diagnoses, done.text[-400:])
    saved.unlink(missing_ok=True)  # it holds every value in clear, sensitive ones too
    return done


def apply_fresh(environment: Environment, code: Path, release: str) -> Effect:
    """Apply the plan that was saved a moment ago.

    Raises:
        TransientFailure: throttling, a 5xx answer, a lost connection.
        StepFailed: it is stale already, or Terraform failed.
    """
    done = applied(environment, code)
    if done is None:
        raise StepFailed(
            "The state changes under us: somebody else works on it.", hint="Find out who; then start again."
        )
    return effect_of(release, done)


def refuse_beyond(agreed: Sequence[Change], fresh: TerraformPlan, doing: str) -> None:
    """Raise StepFailed where a plan that was made again goes beyond what was agreed; `doing`: «destroy»."""
    extra = beyond(agreed, fresh.changes)
    if extra:
        raise StepFailed(
            f"Terraform would now {doing} what was not agreed: {'; '.join(extra[:3])}.",
            hint="The world has drifted since the plan was made. Start again and look at the new plan.",
        )


def effect_of(release: str, done: TerraformRun) -> Effect:
    """What an apply changed."""
    made = [e["hook"]["resource"]["addr"] for e in done.events if e.get("type") == "apply_complete"]
    return Effect(
        subject=release, changed=bool(made), after=release, detail=f"changed {', '.join(made) or 'nothing'}"
    )


def result_of(done: TerraformRun, shown: dict[str, Any] | None) -> TerraformPlan:
    """What a plan found out; `shown` is the saved plan as JSON."""
    changes = read_changes(shown) if shown else planned_changes(done.events)
    return TerraformPlan(exit_code=done.exit_code, changes=changes, drift=drifted(done.events))
