"""Dev test failure: the tests of a pull request failed, and it cannot be merged."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows._failed_tests import classified
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack
from rules.failure_comments import attempt_address, failure_comment
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.workflow_runs import RunLook, WorkflowRun
from tasks.github_messages import comment_on_pull_request, said_on_pull_request
from tasks.workflow_runs import workflow_run

SCENARIO = "dev-test-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
COMMENT, MARKER = "comment", "marker"
"""Names of the facts in the plan."""

RunNumber = Annotated[int, Field(gt=0)]
PullRequestNumber = Annotated[int, Field(gt=0)]


@flow(name="dev-test-failure", flow_run_name="dev-test-failure of run {run}")
def recover(
    environment: Environment,
    run: RunNumber,
    pull_request: PullRequestNumber | None = None,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Say on a pull request why its tests failed, and what helps. Nothing else is changed.

    1. Look: the run, its failed jobs and their logs.
    2. Judge every failed test: the code, infrastructure, throttling, polluted data, secrets, a dependency, a missing
       environment variable.
    3. Say it in one comment on the pull request, redacted; a later failure is written over it.
    4. Prove it: read the comment back.

    Source: runbook 001, scenario 1.
    Budget: 5 minutes.

    Args:
        environment: Whose repository it is.
        run: The number of the failed run, as in its address.
        pull_request: Its number. Leave empty where GitHub knows it; it does not for those that come from forks.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, run, pull_request),
        ladder=[
            Rung(
                name="comment",
                decide=lambda _finding: _decide(environment, run, pull_request),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"run": str(run)},
    )


def _marker(run: WorkflowRun) -> str:
    """One comment a workflow and pull request."""
    return f"test-failure {run.workflow.lower()}"


def _detect(environment: Environment, run: int, pull_request: int | None) -> Finding:
    check = _check(environment, workflow_run(environment, run).run, pull_request)
    return Finding(health=Verification.of([check]), severity=PROMISE.severity, summary=check.reason)


def _check(environment: Environment, seen: WorkflowRun, pull_request: int | None) -> Check:
    name, told = seen.named, seen.conclusion or seen.status.value
    if not seen.ended:
        return Check(
            name=name, verdict=Verdict.INCONCLUSIVE, reason=f"{name} has not ended: {told}", seen=told
        )
    if seen.conclusion not in {"failure", "timed_out"}:
        return Check(name=name, verdict=Verdict.PASS, reason=f"{name} did not fail: {told}", seen=told)
    numbers = _pull_requests(seen, pull_request)
    said = [said_on_pull_request(environment, number, _marker(seen)) for number in numbers]
    if said and all(attempt_address(seen) in text for text in said):
        return Check(
            name=name, verdict=Verdict.PASS, reason=f"{name} failed, and its pull request says why", seen=told
        )
    return Check(name=name, verdict=Verdict.FAIL, reason=f"{name} failed", seen=told)


def _pull_requests(seen: WorkflowRun, pull_request: int | None) -> tuple[int, ...]:
    return (pull_request,) if pull_request else seen.pull_requests


def _decide(environment: Environment, run: int, pull_request: int | None) -> Plan:
    look = workflow_run(environment, run)
    seen = look.run
    if not seen.ended or not any(job.failed for job in look.jobs):
        raise NoWayBack(f"No job of {seen.named} failed: there is nothing to say.")
    text = _explained(environment, look)
    numbers = _pull_requests(seen, pull_request)
    if not numbers:
        raise NoWayBack(
            f"GitHub names no open pull request for {seen.named} at {seen.sha[:12]}.",
            hint="Give its number: `pull_request=…`.",
        )
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="comment",
        title=f"Say on {' and '.join(f'#{number}' for number in numbers)} why {seen.named} failed",
        target=str(seen.id),
        changes=tuple(
            Change(
                subject=f"pull request #{number}",
                before="another comment of ours, or none",
                after=attempt_address(seen),
                kind="comment",
            )
            for number in numbers
        ),
        expected=("the comment can be read back",),
        facts={COMMENT: text, MARKER: _marker(seen)},
        reasons=(text.partition("\n")[0].removeprefix("### "),),
    )


def _explained(environment: Environment, look: RunLook) -> str:
    found = classified(environment, look, report="")
    if not found.failures:
        raise NoWayBack(
            f"GitHub keeps no log of the failed jobs of {look.run.named} any more.",
            hint="Run the failed jobs again: they write new ones.",
        )
    return failure_comment(look.run, found)


def _act(environment: Environment, plan: Plan) -> None:
    for change in plan.changes:
        comment_on_pull_request(environment, _number(change.subject), plan.facts[MARKER], plan.facts[COMMENT])


def _verify(environment: Environment, plan: Plan) -> Verification:
    checks = []
    for change in plan.changes:
        said = said_on_pull_request(environment, _number(change.subject), plan.facts[MARKER])
        there = change.after in said
        checks.append(
            Check(
                name=change.subject,
                verdict=Verdict.PASS if there else Verdict.FAIL,
                reason="it says why" if there else "the comment is not there",
                wanted=change.after,
            )
        )
    return Verification.of(checks)


def _number(pull_request: str) -> int:
    """The 17 of «pull request #17»."""
    return int(pull_request.rpartition("#")[2])
