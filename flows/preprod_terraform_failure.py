"""Preprod Terraform failure: a deployment's apply failed, and the infrastructure is in a partial state."""

from __future__ import annotations

import json
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._given_up import given_up, giving_up
from flows._incident import handle
from flows._ladder import Request, Rung
from flows._push_rung import look_at_state, push_rung
from flows._recreate_rung import recreate_rung
from flows._release_rungs import release_rungs
from flows._revert_rung import revert_rung
from flows._unlock_rung import look_at_lock, unlock_rung
from flows._watching import Wanted, watch
from rules.errors import NoWayBack, StepFailed, TransientFailure
from rules.health import judge_terraform
from rules.names import ReleaseName, StateFile
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from rules.terraform_imports import as_import_changes, created
from rules.terraform_plans import as_changes, too_much
from tasks.existing_resources import existing_resources
from tasks.kinds import in_parallel
from tasks.release_packages import package_of
from tasks.repositories import commit_of, newest_commit
from tasks.terraform_locks import release_dead_lock
from tasks.terraform_runs import apply_plan, plan_release

SCENARIO = "preprod-terraform-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
RELEASE, COMMIT, CODE = "release", "commit", "code"
"""Names of the facts in the plan."""


@flow(name="preprod-terraform-failure", flow_run_name="preprod-terraform-failure in {environment.name}")
def recover(
    environment: Environment,
    release: ReleaseName | None = None,
    state_file: StateFile | None = None,
    recreate: bool = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Finish a deployment whose Terraform failed half way, or return to the last known-good release.

    1. Look: who holds the state's lock, and what Terraform would still change, with its own words where it fails.
    2. Unlock, only what is proven dead.
    3. Save the state that an apply could not save (`errored.tfstate`), only over an older one of the same line.
    4. Finish: bring what exists and is not in the state back into it, by `import` blocks in one plan with everything
       that is missing; apply exactly that plan. What passes (throttling, a lost connection) is tried again.
    5. If Terraform refuses the code itself: revert that commit by a pull request, or on the default branch, by policy,
       where Terraform accepts the code without it. That ends it only where a proven release is live and whole.
    6. Else return to the last known-good release with its own infrastructure code, with
       other deployments kept out; else set the functions' code directly.
    7. As the last way, only if it is ticked and this is not production: destroy everything but secrets and make it
       anew from the last proven release; two people must agree.
    8. Prove it: no changes, no drift, live code, health, alarms.

    Source: runbook 001, scenario 2.
    Budget: 10 minutes.

    Args:
        environment: Where the deployment failed.
        release: What was deployed when it failed. Leave empty for the newest commit of the repository.
        state_file: Whole path of the `errored.tfstate` that the failed apply left on this host. Leave empty where
            Backstop ran that apply itself: it finds its own.
        recreate: DANGER, data is lost: if nothing else helps, destroy the environment and make it anew.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    code_of = partial(_code_of, environment, release)
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, release, state_file),
        ladder=[
            unlock_rung(SCENARIO, environment, code_of, whole=True),
            push_rung(SCENARIO, environment, code_of, state_file),
            Rung(
                name="finish",
                decide=lambda _finding: _decide(environment, release),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            ),
            revert_rung(SCENARIO, environment, code_of),
            *(
                giving_up(code_of, rung)
                for rung in [
                    *release_rungs(SCENARIO, environment, None, freeze=True),
                    recreate_rung(SCENARIO, environment, asked=recreate),
                ]
            ),
        ],
        budget_seconds=PROMISE.seconds,
        parameters={
            name: value
            for name, value in (
                ("release", release),
                ("state_file", state_file),
                ("recreate", "yes" if recreate else None),
            )
            if value
        },
    )


def _code_of(environment: Environment, release: str | None) -> tuple[str, str]:
    workspace = environment.lambda_platform.terraform
    if release:
        return release, commit_of(workspace, release)
    newest = newest_commit(workspace)
    return newest, newest


def _detect(environment: Environment, release: str | None, state_file: str | None) -> Finding:
    name, commit = _code_of(environment, release)
    checks = [look_at_lock(environment, name, commit)]
    if checks[-1].verdict is Verdict.PASS:
        checks.append(look_at_state(environment, name, commit, state_file))
    if checks[-1].verdict is Verdict.PASS:
        found = _terraform(environment, name, commit)
        if found.verdict is Verdict.FAIL:
            found = given_up(SCENARIO, commit, partial(_terraform, environment)) or found
        checks.append(found)
    worst = next((check for check in checks if check.verdict is not Verdict.PASS), checks[-1])
    return Finding(
        health=Verification.of(checks), severity=PROMISE.severity, summary=f"{worst.name}: {worst.reason}"
    )


def _terraform(environment: Environment, release: str, commit: str) -> Check:
    """What Terraform has left to change, or why it cannot tell. Only what may pass by itself is no verdict."""
    try:
        planned = plan_release(environment, release, commit)
    except TransientFailure as error:
        return Check(name="terraform", verdict=Verdict.INCONCLUSIVE, reason=error.message)
    except StepFailed as error:
        return Check(name="terraform", verdict=Verdict.FAIL, reason=error.message)
    return judge_terraform(planned.exit_code, [change.address for change in planned.changes], planned.drift)


def _decide(environment: Environment, release: str | None) -> Plan:
    name, commit = _code_of(environment, release)
    planned = plan_release(environment, name, commit)
    imports = existing_resources(environment, created(planned.changes))
    if imports:
        planned = plan_release(environment, name, commit, imports)
    wide = too_much(planned.changes)
    if wide:
        raise NoWayBack(
            f"Terraform's plan goes too far: {'; '.join(wide)}.",
            hint="Look at the plan by hand: finishing this deployment would cost data.",
        )
    if planned.exit_code == 0 and not planned.drift:
        raise NoWayBack(f"Terraform has nothing left to change for {name}.")
    functions = [function.name for function in environment.lambda_platform.functions]
    packages = in_parallel([partial(package_of, environment, function, name) for function in functions])
    replaces = any("delete" in change.actions for change in planned.changes)
    changes: tuple[Change, ...] = (*as_import_changes(imports), *as_changes(planned.changes))
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="finish",
        title=f"Finish the deployment of {name} to {environment.name}",
        changes=changes,
        expected=("Terraform finds no changes and no drift", f"callers get the code of {name}"),
        destructiveness=Destructiveness.DISRUPTIVE if replaces else Destructiveness.REVERSIBLE,
        facts={RELEASE: name, COMMIT: commit, CODE: json.dumps({p.function: p.sha256 for p in packages})},
        reasons=(
            f"{len(imports)} resources exist and are not in the state",
            f"{len(planned.changes)} more are to be changed",
        ),
    )


def _act(environment: Environment, plan: Plan) -> None:
    release, commit = plan.facts[RELEASE], plan.facts[COMMIT]
    release_dead_lock(environment, release, commit)
    apply_plan(environment, release, commit, plan.changes)


def _verify(environment: Environment, plan: Plan) -> Verification:
    code: dict[str, str] = json.loads(plan.facts[CODE])
    return watch(environment, Wanted(plan.facts[RELEASE], code, plan.facts[COMMIT]))
