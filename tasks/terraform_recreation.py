"""Destroying what Terraform manages, by a saved plan, and making it anew. Never in production."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Effect
from rules.plans import Change
from rules.recreations import refused_in, to_destroy
from rules.terraform_plans import TerraformPlan
from tasks._terraform_folders import folder_of, saved_plan
from tasks._terraform_saved import apply_fresh, planned, refuse_beyond
from tasks._terraform_state import read_saved_state
from tasks._terraform_survivors import settle
from tasks._terraform_unsaved import keep_saved_state
from tasks.kinds import action, probe
from tasks.terraform_runs import init_workspace


@probe(retries=2)
def plan_destroy(environment: Environment, release: str, commit: str) -> TerraformPlan:
    """Plan to destroy all that Terraform manages and can make again, and save the plan.

    Permissions: s3:GetObject, s3:PutObject, dynamodb:GetItem, dynamodb:PutItem, dynamodb:DeleteItem
    """
    return _destroying(environment, release, commit)


@probe
def items_in(environment: Environment, table: str) -> str:
    """How many items a table holds, in words: counted where one page holds them all, else at least that many.

    Permissions: dynamodb:Scan
    """
    with translated(f"count the items of {table}"):
        try:
            page = environment.aws.client("dynamodb").scan(TableName=table, Select="COUNT")
        except NotThere:
            return "no items: the table is gone"
    more, count = "more than " if "LastEvaluatedKey" in page else "", page["Count"]
    return f"{more}{count} item{'' if count == 1 else 's'}"


@action(subject="everything that Terraform manages at {release}")
def destroy_all(environment: Environment, release: str, commit: str, agreed: Sequence[Change]) -> Effect:
    """Destroy what was agreed on, by a saved plan; a copy of the state is kept. Repeating it changes nothing.

    Permissions: none of its own: those the infrastructure code needs

    Raises:
        RecoveryRefused: this is production.
        TransientFailure: throttling, a 5xx answer, a lost connection.
        StepFailed: it would destroy more than was agreed, or Terraform failed.
    """
    refused = refused_in(environment.tier)
    if refused:
        raise RecoveryRefused(f"Nothing was destroyed: {refused}.")
    code = init_workspace.fn(environment, release, commit)
    settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
    keep_saved_state(environment, code)
    fresh = _destroying(environment, release, commit)
    if fresh.exit_code == 0:
        return Effect(subject=release, changed=False, after="destroyed", detail="nothing is left to destroy")
    refuse_beyond(agreed, fresh, "destroy")
    return apply_fresh(environment, code, release).model_copy(update={"after": "destroyed"})


@action(subject="{release}, made anew")
def create_all(environment: Environment, release: str, commit: str) -> Effect:
    """Make everything of a release that is not there. Repeating it changes nothing.

    Permissions: none of its own: those the infrastructure code needs

    Raises:
        TransientFailure: throttling, a 5xx answer, a lost connection.
        StepFailed: the plan would delete something, or Terraform failed.
    """
    code = init_workspace.fn(environment, release, commit)
    settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
    fresh = planned(environment, code)
    if fresh.exit_code == 0:
        saved_plan(environment).unlink(missing_ok=True)
        return Effect(subject=release, changed=False, after=release, detail="everything is there")
    deleted = [change.address for change in fresh.changes if "delete" in change.actions]
    if deleted:
        raise StepFailed(f"Making {release} anew would delete {', '.join(deleted)}.", hint="Look by hand.")
    return apply_fresh(environment, code, release)


def _destroying(environment: Environment, release: str, commit: str) -> TerraformPlan:
    code = init_workspace.fn(environment, release, commit)
    settle(folder_of(environment), environment.lambda_platform.terraform.timeout_seconds)
    addresses = to_destroy(read_saved_state(environment, code))
    # Without an address, `plan -destroy` would mean everything.
    if not addresses:
        return TerraformPlan(exit_code=0)
    found = planned(environment, code, destroy=addresses)
    bare = tuple(change.model_copy(update={"attributes": {}}) for change in found.changes)
    return found.model_copy(
        update={"changes": bare}
    )  # every attribute goes: naming each would hide the resources
