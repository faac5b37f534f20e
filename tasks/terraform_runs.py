"""Terraform on a release's own infrastructure code: what it would change, and changing it.

Everything of one incident lies in one folder below the installation's home: the checked out code, the saved plan,
and what every Terraform process said.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

from blocks.environment import Environment
from ledger.cases import current_case
from rules.names import commit_id, release_name
from rules.outcomes import Effect
from rules.plans import Change
from rules.terraform_diagnostics import as_error
from rules.terraform_imports import Import, as_blocks
from rules.terraform_plans import TerraformPlan
from tasks import _terraform_command as command
from tasks._terraform_folders import folder_of, saved_plan
from tasks._terraform_logged import run_logged
from tasks._terraform_ready import READY, forget_if_not_ready, keep_ready, take_ready
from tasks._terraform_saved import (
    VARIABLES,
    applied,
    apply_fresh,
    effect_of,
    planned,
    refuse_beyond,
    result_of,
    wait_for_others,
)
from tasks._terraform_survivors import settle
from tasks._terraform_unsaved import own_unsaved, push
from tasks.kinds import action, probe, say
from tasks.repositories import check_out

_one_at_a_time = threading.RLock()
"""Looking at a release and getting ready for the next go on at the same time, and may mean the same folder."""


@probe(retries=2)
def init_workspace(environment: Environment, release: str, commit: str) -> Path:
    """Check a release's own infrastructure code out and prepare Terraform in it; the folder it lies in.

    Permissions: s3:GetObject, s3:ListBucket
    """
    folder, workspace = folder_of(environment), environment.lambda_platform.terraform
    with _one_at_a_time:
        place = folder / f"code-{commit_id(commit)[:16]}"
        take_ready(environment, commit, place)
        code = check_out.fn(workspace, commit, str(place))
        if not (code / READY).exists():
            settle(folder, workspace.timeout_seconds)
            done = run_logged(environment, command.init(workspace), code, workspace.init_timeout_seconds)
            if done.exit_code:
                raise as_error("prepare Terraform", done.diagnoses, done.text[-400:])
            (code / READY).touch()
    given = workspace.variables | {workspace.release_variable: release_name(release)}
    (code / VARIABLES).write_text(json.dumps(given), encoding="utf-8")
    return code


_IMPORTS = "backstop_imports.tf"


@probe(retries=2)
def make_ready(environment: Environment, release: str, commit: str) -> None:
    """Keep a release checked out and initialised on this host, for the day it is returned to.

    Permissions: s3:GetObject, s3:ListBucket
    """
    init_workspace.fn(environment, release, commit)
    keep_ready(environment, commit, folder_of(environment) / f"code-{commit[:16]}")


@probe(retries=2)
def plan_release(
    environment: Environment, release: str, commit: str, imports: Sequence[Import] = ()
) -> TerraformPlan:
    """Plan going to a release with its own infrastructure code, and save the plan.

    `imports` are brought into the state by the same plan, and by every plan that is made anew for it.

    Where only a dead run of ours holds the lock, the plan is made without taking it: nobody writes the state.

    Permissions: s3:GetObject, s3:PutObject, dynamodb:GetItem, dynamodb:PutItem, dynamodb:DeleteItem

    Raises:
        TransientFailure: throttling, a 5xx answer, a lost connection.
        StepFailed: the configuration, the credentials, a quota; or a lock that is not provably ours and dead.
    """
    with _one_at_a_time:
        code = init_workspace.fn(environment, release, commit)
        settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
        (code / _IMPORTS).write_text(as_blocks(imports), encoding="utf-8")
        made = planned(environment, code)
    case = current_case.get()
    if case is None or case.rehearsal:
        saved_plan(environment).unlink(missing_ok=True)  # nobody will apply it, and it holds values in clear
    return made


@probe(retries=2)
def drift_of(environment: Environment, release: str, commit: str) -> TerraformPlan:
    """Whether Terraform's code at a release, its state and the world agree. Nothing is saved, and no lock taken.

    Permissions: s3:GetObject, dynamodb:GetItem

    Raises:
        StepFailed: somebody else works on the state, or Terraform cannot tell.
    """
    workspace = environment.lambda_platform.terraform
    with _one_at_a_time:
        code = init_workspace.fn(environment, release, commit)
        settle(folder_of(environment), workspace.timeout_seconds)
        wait_for_others(environment, code)
        # It writes no state. With a lock of its own it would keep deployments out, and leave it where a reply is lost.
        argv = command.plan(workspace, code / VARIABLES, None, lock=False)
        done = run_logged(environment, argv, code, workspace.timeout_seconds)
    if done.exit_code not in (0, 2):
        forget_if_not_ready(code, done.diagnoses)
        raise as_error("compare Terraform with the world", done.diagnoses, done.text[-400:])
    return result_of(done, None)


@action(subject="{release}")
def apply_plan(environment: Environment, release: str, commit: str, agreed: Sequence[Change]) -> Effect:
    """Apply the saved plan of a release. Repeating it changes nothing.

    A plan that is stale or missing (a run before us was killed half way) is made again; it is applied only if it
    does nothing beyond `agreed`. A state that an earlier try could not save is saved first.

    Permissions: none of its own: those the infrastructure code needs

    Raises:
        TransientFailure: throttling, a 5xx answer, a lost connection.
        StepFailed: anything else; the state was written.
    """
    code = init_workspace.fn(environment, release, commit)
    workspace = environment.lambda_platform.terraform
    settle(folder_of(environment), workspace.timeout_seconds)
    waiting, saved = own_unsaved(environment, code), saved_plan(environment)
    if waiting:
        push(environment, code, waiting)
    if saved.exists():
        done = applied(environment, code)
        if done is not None:
            return effect_of(release, done)
        say("The saved plan is stale: planning again.")
    fresh = planned(environment, code)
    if fresh.exit_code == 0:
        saved.unlink(missing_ok=True)
        told = (
            "saved the state that an earlier try could not" if waiting else "Terraform has nothing to change"
        )
        return Effect(subject=release, changed=bool(waiting), after=release, detail=told)
    refuse_beyond(agreed, fresh, "do")
    return apply_fresh(environment, code, release)
