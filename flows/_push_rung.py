"""Saving a state that Terraform could not: one way to recover, of several scenarios.

Runbook source: 001 scenario 2, «infrastructure may be in partial state». Terraform leaves `errored.tfstate` when the
backend refuses the state after an apply; the runbook's «re-apply» would make everything in it a second time.
"""

from __future__ import annotations

import json
from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from flows._unlock_rung import COMMIT, RELEASE, CodeOf
from flows._watching import Wanted, watch
from rules.errors import NoWayBack
from rules.outcomes import Check, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness
from rules.terraform_states import PUSHED, Standing
from tasks.kinds import in_parallel
from tasks.release_packages import package_of
from tasks.terraform_locks import release_dead_lock
from tasks.terraform_states import push_state, unsaved_state

FILE, CONTENT, CODE = "file", "content", "code"
"""Names of the facts in the plan. It has no target: what it saves may be half a deployment."""


def push_rung(scenario: str, environment: Environment, code_of: CodeOf, file: str | None) -> Rung:
    """Save the state that an apply could not: the one in `file`, else the newest of our own.

    That alone ends it only where the apply was whole; else the next way finishes what is missing.
    """
    return Rung(
        name="push-state",
        decide=lambda _finding: _decide(scenario, environment, code_of, file),
        act=partial(_act, environment),
        verify=partial(_verify, environment),
    )


def look_at_state(environment: Environment, release: str, commit: str, file: str | None) -> Check:
    """Whether a newer state than the saved one waits to be saved."""
    name, wanted = "terraform state", "the newest one is saved"
    found = unsaved_state(environment, release, commit, file)
    if found is None or found.standing not in PUSHED:
        told = f"the given one is {found.standing.value}" if found else "none waits to be saved"
        return Check(name=name, verdict=Verdict.PASS, reason=told, wanted=wanted)
    told = f"an apply could not save its state: {found.version}; saved is {found.saved or 'nothing'}"
    return Check(name=name, verdict=Verdict.FAIL, reason=told, wanted=wanted)


def _decide(scenario: str, environment: Environment, code_of: CodeOf, file: str | None) -> Plan:
    name, commit = code_of()
    found = unsaved_state(environment, name, commit, file)
    if found is None:
        raise NoWayBack("No state waits to be saved.")
    if found.standing not in PUSHED:
        raise NoWayBack(
            f"The state in {found.file} is not pushed: it is {found.standing.value}.",
            hint="What only that file knows is imported by the next way; never push with -force.",
        )
    unproven = file is not None and found.standing is Standing.ALONE
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="push-state",
        title=f"Save the Terraform state of {environment.name} that an apply could not save",
        changes=(
            Change(
                subject="terraform state",
                before=str(found.saved or "nothing"),
                after=str(found.version),
                kind="state",
            ),
        ),
        expected=("the backend holds that state", "Terraform finds no changes and no drift"),
        destructiveness=Destructiveness.DISRUPTIVE if unproven else Destructiveness.REVERSIBLE,
        facts={
            RELEASE: name,
            COMMIT: commit,
            FILE: found.file,
            CONTENT: found.version.content,
            CODE: json.dumps(_packages(environment, name)),
        },
        reasons=(
            f"it is {found.standing.value}",
            f"it lies in {found.file}; a copy of the older one is kept",
        ),
    )


def _packages(environment: Environment, release: str) -> dict[str, str]:
    """SHA-256 of the release's packages; none where one is missing, which saving a state does not need."""
    functions = [function.name for function in environment.lambda_platform.functions]
    try:
        found = in_parallel([partial(package_of, environment, function, release) for function in functions])
    except NoWayBack:
        return {}
    return {package.function: package.sha256 for package in found}


def _act(environment: Environment, plan: Plan) -> None:
    release, commit = plan.facts[RELEASE], plan.facts[COMMIT]
    release_dead_lock(environment, release, commit)
    push_state(environment, release, commit, plan.facts[FILE], plan.facts[CONTENT])


def _verify(environment: Environment, plan: Plan) -> Verification:
    code: dict[str, str] = json.loads(plan.facts[CODE])
    release = plan.facts[RELEASE]
    if not code:
        told = f"the packages of {release} are not there: its code cannot be compared"
        return Verification.of([Check(name="packages", verdict=Verdict.INCONCLUSIVE, reason=told)])
    return watch(environment, Wanted(release, code, plan.facts[COMMIT]))
