"""Reverting the commit whose infrastructure code is wrong: one way to recover, of several scenarios.

Runbook source: 001 scenario 2, option 1 «Revert the Commit (Safest)». A revert changes the repository and nothing
else: what is deployed changes when the pipeline runs. So this way ends an incident only where Terraform refused the
code before it changed anything, and a proven release is still whole; else the next ways return to one, and the
revert keeps the pipeline from deploying the broken code again.
"""

from __future__ import annotations

from functools import partial

from blocks.environment import Environment
from flows._ladder import Rung
from flows._release_memory import release_history
from flows._unlock_rung import COMMIT, CodeOf
from flows._watching import Wanted, watch
from ledger.cases import current_case
from rules.errors import NoWayBack, StepFailed
from rules.outcomes import Check, Verdict, Verification
from rules.plans import Change, Plan
from rules.reverts import RevertBy, branch_of, by_hand, request_for, title_of
from rules.rollback_targets import choose, running_release
from rules.severity import Destructiveness
from rules.terraform_diagnostics import ConfigurationWrong
from tasks.kinds import say
from tasks.lambdas import all_live_code
from tasks.pull_requests import open_pull_request, pull_request_of
from tasks.repositories import commit_of
from tasks.reverts import Revert, push_revert, revert_of
from tasks.terraform_runs import plan_release

BASE, FAULT, SUBJECT = "base", "fault", "subject"
"""Names of the facts in the plan that a pull request tells: into which branch, why, and what the commit was."""
RUNNING = "running"
"""Name of the fact in the plan: the proven release that is live. It is no target: nothing is deployed."""


def revert_rung(scenario: str, environment: Environment, code_of: CodeOf) -> Rung:
    """Revert a commit that Terraform refuses, on a branch of its own or on the default branch, by the block's policy.

    With a GitHub repository, the branch's pull request is opened too. It is only done where Terraform
    accepts the code without that commit.
    """
    return Rung(
        name="revert",
        decide=lambda _finding: _decide(scenario, environment, code_of),
        act=partial(_act, environment),
        verify=partial(_verify, environment),
    )


def _decide(scenario: str, environment: Environment, code_of: CodeOf) -> Plan:
    release, commit = code_of()
    fault = _fault(environment, release, commit)
    revert = revert_of(environment, commit)
    if revert.pushed == revert.base:
        raise NoWayBack(f"{revert.base} holds the revert {revert.commit[:12]} of {commit[:12]} already.")
    running = _proven_and_live(environment)
    _refuse_unless_cured(environment, running or release, revert)
    push = environment.lambda_platform.terraform.revert_by is RevertBy.PUSH
    where = revert.base if push else branch_of(commit)
    return Plan(
        scenario=scenario,
        environment=environment.name,
        rung="revert",
        title=f"Revert commit {commit[:12]} on {where if push else f'branch {where}'}",
        changes=(
            Change(
                subject=f"branch {where}",
                before=f"{commit[:12]} «{revert.subject[:80]}» is in force",
                after=f"{commit[:12]} is reverted",
                kind="commit",
            ),
            *(() if push or environment.github is None else (_asked_for(where, revert.base),)),
        ),
        expected=(
            "Terraform accepts the code again",
            f"callers keep the code of {running}" if running else "the next way returns to a proven release",
            *(() if push else (f"until {where} is merged, every deployment of {revert.base} fails",)),
        ),
        destructiveness=Destructiveness.DISRUPTIVE if push else Destructiveness.REVERSIBLE,
        facts={COMMIT: commit, RUNNING: running, BASE: revert.base, FAULT: fault, SUBJECT: revert.subject},
        reasons=(fault, f"Terraform accepts {revert.base} without {commit[:12]}"),
    )


def _asked_for(branch: str, base: str) -> Change:
    return Change(
        subject=f"pull request of {branch}", before="none", after=f"open, into {base}", kind="pull request"
    )


def _fault(environment: Environment, release: str, commit: str) -> str:
    try:
        plan_release(environment, release, commit)
    except ConfigurationWrong as error:
        return error.message
    raise NoWayBack("Terraform accepts the infrastructure code: reverting the commit would not help.")


def _refuse_unless_cured(environment: Environment, release: str, revert: Revert) -> None:
    try:
        plan_release(environment, release, revert.commit)
    except ConfigurationWrong as error:
        raise NoWayBack(
            f"Reverting {revert.reverted[:12]} alone does not help: {error.message}",
            hint="An earlier commit is at fault too. Give that one as the release.",
        ) from error


def _proven_and_live(environment: Environment) -> str:
    """The release that every function runs, if it was proven good; else empty."""
    history = release_history(environment)
    running = running_release(history, {code.function: code.sha256 for code in all_live_code(environment)})
    return running if running in choose(history, {}).candidates else ""


def _act(environment: Environment, plan: Plan) -> None:
    commit = plan.facts[COMMIT]
    held = push_revert(environment, commit, environment.lambda_platform.terraform.revert_by).after
    if held != branch_of(commit) or environment.github is None:
        return
    case, subject = current_case.get(), plan.facts[SUBJECT]
    body = request_for(commit, subject, plan.facts[FAULT], case.incident_id if case else "")
    try:
        open_pull_request(environment, held, plan.facts[BASE], title_of(commit, subject), body)
    except StepFailed as error:
        # The branch is pushed: a person can open it as well, and the verification says how.
        say(f"The pull request could not be opened: {error.message} {error.hint}")


def _verify(environment: Environment, plan: Plan) -> Verification:
    commit = plan.facts[COMMIT]
    revert = revert_of(environment, commit)
    pushed = [
        Check(
            name="revert",
            verdict=Verdict.PASS if revert.pushed else Verdict.FAIL,
            reason=f"{revert.pushed} holds it" if revert.pushed else "no branch of the Git server holds it",
            wanted="on the Git server",
        )
    ]
    if revert.pushed == branch_of(commit):
        pushed.append(_request(environment, revert))
    running = _proven_and_live(environment)
    if not running:
        told = "what is deployed is not one proven release"
        whole = Check(name="one release", verdict=Verdict.FAIL, reason=told, wanted="a proven release, whole")
        return Verification.of([*pushed, whole])
    try:
        behind = commit_of(environment.lambda_platform.terraform, running)
    except NoWayBack as error:
        raise StepFailed(error.message, hint=error.hint) from error
    code = {live.function: live.sha256 for live in all_live_code(environment)}
    seen = watch(environment, Wanted(running, code, behind))
    return Verification.of([*pushed, *seen.checks])


def _request(environment: Environment, revert: Revert) -> Check:
    """The revert stands without its pull request too: what is missing of it is left to a person."""
    github, url, why = environment.github, "", "no GitHub repository is set for this environment"
    if github is not None:
        why = f"{revert.pushed} has no open pull request"
        try:
            url = pull_request_of(environment, revert.pushed, revert.base)
        except StepFailed as error:
            why = f"it could not be looked for: {error.message}"
    return Check(
        name="pull request",
        verdict=Verdict.PASS,
        reason=f"{url} is open" if url else f"a person opens it: {why}",
        left=f"Merge {url}"
        if url
        else by_hand(github.full_name if github else "", revert.pushed, revert.base),
    )
