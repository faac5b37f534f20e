"""Destroying an environment and making it anew: the last way, only where somebody asked for it, never in production.

Runbook source: 001 scenario 2, option 3 «Destroy and Recreate (Nuclear)». The runbook's `terraform destroy` takes the
secrets too, whose values no code can make again, and asks nobody; here they are spared, and what holds data is listed.
"""

from __future__ import annotations

import json
from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from flows._release_choice import sound_packages
from flows._release_memory import release_history
from flows._watching import Wanted, watch
from ledger.attempts import carried_out
from ledger.cases import current_case
from rules.errors import NoWayBack
from rules.outcomes import Effect, Verification
from rules.plans import Change, Plan
from rules.recreations import SPARED, refused_in
from rules.rollback_targets import choose
from rules.severity import Destructiveness
from rules.terraform_plans import STATEFUL, ResourceChange, as_changes
from tasks.kinds import Kind, in_parallel
from tasks.repositories import commit_of
from tasks.terraform_locks import freeze_state, release_dead_lock, thaw_state
from tasks.terraform_recreation import create_all, destroy_all, items_in, plan_destroy

RELEASE, COMMIT, CODE = "release", "commit", "code"
"""Names of the facts in the plan."""


def recreate_rung(scenario: str, environment: Environment, *, asked: bool) -> Rung:
    """Destroy everything but secrets by a saved plan, and apply the last proven release; two people must agree."""
    return Rung(
        name="recreate",
        decide=lambda _finding: _decide(scenario, environment, asked=asked),
        act=partial(_act, environment),
        verify=partial(_verify, environment),
        act_seconds=1800.0,
    )


def _decide(scenario: str, environment: Environment, *, asked: bool) -> Plan:
    refused = refused_in(environment.tier)
    if refused or not asked:
        raise NoWayBack(
            f"Not done: {refused or 'nobody asked for it'}.", hint="See the scenario's parameters."
        )
    release, code = _last_proven(environment)
    commit = commit_of(environment.lambda_platform.terraform, release)
    planned = plan_destroy(environment, release, commit)
    if not planned.changes:
        raise NoWayBack("Terraform manages nothing that could be made anew.")
    data = [change for change in planned.changes if change.type.startswith(STATEFUL)]
    held = in_parallel([partial(_held, environment, change) for change in data])
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="recreate",
        title=f"Destroy {len(planned.changes)} resources of {environment.name} and make them anew from {release}",
        target=release,
        changes=(
            *held,
            *as_changes(planned.changes),
        ),
        expected=(
            "their data is lost; a copy of Terraform's state is kept",
            f"secrets and keys stay ({', '.join(SPARED)})",
            f"callers get the code of {release}",
            "Terraform finds no changes and no drift",
        ),
        destructiveness=Destructiveness.DESTRUCTIVE,
        facts={RELEASE: release, COMMIT: commit, CODE: json.dumps(code)},
        reasons=("it was asked for", "no gentler way was left", f"{release} is the last proven release"),
    )


def _held(environment: Environment, change: ResourceChange) -> Change:
    told = items_in(environment, change.name) if change.type == "aws_dynamodb_table" else "its data"
    return Change(subject=change.name or change.address, before=told, after="lost", kind="data")


def _last_proven(environment: Environment) -> tuple[str, dict[str, str]]:
    history = release_history(environment)
    for release in choose(history, {}).candidates:
        packages, _ = sound_packages(environment, history, release)
        if packages:
            return release, {name: package.sha256 for name, package in packages.items()}
    raise NoWayBack("No proven release has its packages: what was destroyed could not be made anew.")


def _act(environment: Environment, plan: Plan) -> None:
    release, commit = plan.facts[RELEASE], plan.facts[COMMIT]
    try:
        if not _done(create_all):
            release_dead_lock(environment, release, commit)
            freeze_state(environment, release, commit)
            # Destroyed once: after a death in making it anew, what was made must not be destroyed again.
            if not _done(destroy_all):
                destroy_all(environment, release, commit, plan.changes)
            create_all(environment, release, commit)
    finally:
        thaw_state(environment, release, commit)


def _done(step: Kind[..., Effect]) -> bool:
    """Whether a run before us carried it out, by its own word."""
    case = current_case.get()
    return case is not None and carried_out(case, step.fn.__name__)


def _verify(environment: Environment, plan: Plan) -> Verification:
    return watch(environment, Wanted(plan.facts[RELEASE], json.loads(plan.facts[CODE]), plan.facts[COMMIT]))
