"""The two ways back to a release of a Terraform and Lambda service: by Terraform, and past it.

Runbook source: 001 scenarios 4 to 6: roll back by Terraform; if Terraform fails, set the functions' code directly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung, Snapshot
from flows._preparation import plan_ahead
from flows._release_choice import Target, choose_target
from flows._release_memory import remember
from flows._watching import Wanted, watch
from ledger.attempts import carried_out
from ledger.cases import current_case
from rules.errors import NoWayBack, StepFailed
from rules.health import short
from rules.outcomes import Effect, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness
from rules.terraform_plans import TerraformPlan, as_changes, overlooked, too_much
from tasks.kinds import in_parallel
from tasks.lambdas import move_alias, set_function_code
from tasks.release_packages import Package, package_of
from tasks.repositories import commit_of
from tasks.terraform_locks import freeze_state, release_dead_lock, thaw_state
from tasks.terraform_runs import apply_plan, plan_release

COMMIT, RUNNING, BEFORE, PACKAGE = "commit", "running", "before:", "package:"
"""Names of the facts in a plan: what acting needs after a restart."""

VERIFY_SECONDS = 900.0


def release_rungs(
    scenario: str,
    environment: Environment,
    to_release: str | None,
    *,
    freeze: bool = False,
    watch_seconds: float = 0.0,
) -> list[Rung]:
    """The ladder back to a proven release, safest way first.

    With `freeze`, deployments are kept out by Terraform's own lock while Terraform goes back. Afterwards the service
    is watched for `watch_seconds` at least.
    """
    undo_terraform, undo_direct = partial(_undo_terraform, environment), partial(_undo_direct, environment)
    verify, limit = partial(_verify, environment, watch_seconds), VERIFY_SECONDS + watch_seconds
    return [
        Rung(
            name="terraform",
            decide=lambda _finding: _decide_terraform(scenario, environment, to_release),
            act=partial(_act_frozen if freeze else _act_terraform, environment),
            verify=verify,
            undo=undo_terraform,
            verify_seconds=limit,
        ),
        Rung(
            name="direct",
            decide=lambda _finding: _decide_direct(scenario, environment, to_release),
            act=partial(_act_direct, environment),
            verify=verify,
            undo=undo_direct,
            verify_seconds=limit,
        ),
    ]


def _decide_terraform(scenario: str, environment: Environment, to_release: str | None) -> Plan:
    targets: list[Target] = []
    ahead: dict[str, TerraformPlan] = {}
    at_once: list[Callable[[], None]] = [
        lambda: targets.append(choose_target(environment, to_release)),
        lambda: ahead.update(plan_ahead(environment, to_release)),
    ]
    in_parallel(at_once)
    [target] = targets
    commit = commit_of(environment.lambda_platform.terraform, target.release)
    planned = ahead.get(target.release) or plan_release(environment, target.release, commit)
    _refuse_blind_or_wide(target, planned)
    replaces = any("delete" in change.actions for change in planned.changes)
    drift = (f"changed outside Terraform: {', '.join(planned.drift)}",) if planned.drift else ()
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="terraform",
        title=f"Return {environment.name} to release {target.release} by Terraform",
        target=target.release,
        changes=(*_code_changes(target), *as_changes(planned.changes)),
        expected=(*_expected(environment, target), "Terraform finds no changes and no drift"),
        destructiveness=Destructiveness.DISRUPTIVE if replaces else Destructiveness.REVERSIBLE,
        facts={**_facts(target), COMMIT: commit},
        reasons=(*target.reasons, *drift, f"with the infrastructure code of commit {commit[:12]}"),
    )


def _refuse_blind_or_wide(target: Target, planned: TerraformPlan) -> None:
    wide = too_much(planned.changes)
    if wide:
        raise NoWayBack(
            f"Terraform's plan goes too far for a rollback: {'; '.join(wide)}.",
            hint="Look at the plan by hand; the direct way leaves everything but the code alone.",
        )
    blind = overlooked(planned.changes, target.wrong)
    if blind:
        raise NoWayBack(
            f"Terraform's state says that {', '.join(blind)} has the code of {target.release}, and it has not.",
            hint="Somebody changed it outside Terraform; the direct way does not depend on the state.",
        )
    if not planned.changes:
        raise NoWayBack(f"Terraform has nothing to change: {target.release} is what is deployed.")


def _decide_direct(scenario: str, environment: Environment, to_release: str | None) -> Plan:
    target = choose_target(environment, to_release)
    if not target.wrong:
        raise NoWayBack(f"Every function has the code of {target.release} already.")
    moved = [
        Change(
            subject=f"{function.name}:{function.alias}",
            before=f"version {target.live[function.name].version}",
            after=f"the version with {short(target.code[function.name])}",
            kind="alias",
        )
        for function in environment.lambda_platform.functions
        if function.alias and function.name in target.wrong
    ]
    behind = f"Terraform's state is behind until release {target.release} is applied again"
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="direct",
        title=f"Set the code of {len(target.wrong)} functions of {environment.name} to release {target.release}",
        target=target.release,
        changes=(*_code_changes(target), *moved),
        expected=(*_expected(environment, target), behind),
        facts=_facts(target),
        reasons=(*target.reasons, "only the code is changed, not the infrastructure", behind),
    )


def _code_changes(target: Target) -> tuple[Change, ...]:
    return tuple(
        Change(
            subject=function, before=short(target.live[function].sha256), after=short(target.code[function])
        )
        for function in target.wrong
    )


def _expected(environment: Environment, target: Target) -> tuple[str, ...]:
    platform = environment.lambda_platform
    told = [f"callers of {function} get {short(sha256)}" for function, sha256 in target.code.items()]
    told += [f"{e.name} answers healthy {platform.health_passes} times in a row" for e in platform.health]
    if platform.alarm_prefix:
        told.append(f"every alarm {platform.alarm_prefix}* is OK for {platform.alarm_clear_seconds:g} s")
    return tuple(told)


def _facts(target: Target) -> dict[str, str]:
    facts = {f"{PACKAGE}{name}": package.model_dump_json() for name, package in target.packages.items()}
    facts |= {f"{BEFORE}{name}": live.sha256 for name, live in target.live.items()}
    return facts | {RUNNING: target.running}


def _packages(plan: Plan) -> dict[str, Package]:
    return {
        key.removeprefix(PACKAGE): Package.model_validate_json(value)
        for key, value in plan.facts.items()
        if key.startswith(PACKAGE)
    }


def _act_terraform(environment: Environment, plan: Plan) -> None:
    commit = plan.facts[COMMIT]
    release_dead_lock(environment, plan.target, commit)
    apply_plan(environment, plan.target, commit, plan.changes)


def _act_frozen(environment: Environment, plan: Plan) -> None:
    commit, case = plan.facts[COMMIT], current_case.get()
    try:
        if case is None or not carried_out(case, apply_plan.fn.__name__):
            release_dead_lock(environment, plan.target, commit)
            freeze_state(environment, plan.target, commit)
            apply_plan(environment, plan.target, commit, plan.changes)
    finally:
        thaw_state(environment, plan.target, commit)


def _act_direct(environment: Environment, plan: Plan) -> None:
    packages = _packages(plan)
    in_parallel([partial(_deploy, environment, name, package) for name, package in packages.items()])


def _deploy(environment: Environment, function: str, package: Package) -> None:
    set_function_code(environment, function, package)
    if environment.lambda_platform.function(function).alias:
        move_alias(environment, function, package)


def _verify(environment: Environment, watch_seconds: float, plan: Plan) -> Verification:
    code = {name: package.sha256 for name, package in _packages(plan).items()}
    wanted = Wanted(plan.target, code, plan.facts.get(COMMIT, ""), watch_seconds)
    verification = watch(environment, wanted)
    if verification.verdict is Verdict.PASS:
        broken = plan.facts.get(RUNNING, "")
        if broken and broken != plan.target:
            before = {k.removeprefix(BEFORE): v for k, v in plan.facts.items() if k.startswith(BEFORE)}
            remember(environment, broken, Verdict.FAIL, before, "going back from it healed the environment")
        why = "" if plan.facts.get(COMMIT) else "terraform is behind"
        remember(environment, plan.target, Verdict.PASS, code, why)
    return verification


def _undo_terraform(
    environment: Environment, plan: Plan, _before: Snapshot
) -> Sequence[Callable[[], Effect]]:
    def back() -> Effect:
        release = _known_before(plan)
        commit = commit_of(environment.lambda_platform.terraform, release)
        planned = plan_release(environment, release, commit)
        wide = too_much(planned.changes)
        if wide:
            raise StepFailed(
                f"Going back would go too far: {'; '.join(wide)}.", hint="A person must look at it."
            )
        effect: Effect = apply_plan(environment, release, commit, as_changes(planned.changes))
        return effect

    return [back]


def _undo_direct(environment: Environment, plan: Plan, _before: Snapshot) -> Sequence[Callable[[], Effect]]:
    def back(function: str) -> Effect:
        release = _known_before(plan)
        package = package_of(environment, function, release)
        if package.sha256 != plan.facts[f"{BEFORE}{function}"]:
            raise StepFailed(
                f"The package of {release} is not what {function} ran before.", hint="Look by hand."
            )
        effect: Effect = set_function_code(environment, function, package)
        if environment.lambda_platform.function(function).alias:
            effect = move_alias(environment, function, package)
        return effect

    return [partial(back, change.subject) for change in plan.changes if change.kind == "code"]


def _known_before(plan: Plan) -> str:
    release = plan.facts.get(RUNNING, "")
    if not release:
        raise StepFailed(
            "Nobody knows which release ran before.", hint="Its packages cannot be found: look by hand."
        )
    return release
