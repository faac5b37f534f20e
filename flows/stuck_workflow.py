"""Stuck workflow: a GitHub Actions run goes on for more than half an hour and does nothing any more."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack
from rules.names import WorkflowFile
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from rules.workflow_runs import (
    RunLook,
    RunState,
    RunVerdict,
    interrupts_a_deployment,
    judge_new_attempt,
    judge_run,
    superseded_by,
)
from tasks.kinds import in_parallel
from tasks.run_endings import end_run
from tasks.run_lists import list_runs, runs_under_way
from tasks.run_watching import watch_run
from tasks.workflow_runs import attempt_conclusion, rerun, workflow_run

SCENARIO = "stuck-workflow"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
AGAIN, ONLY_END = "run again", "only end"
"""What is done with a stuck run, as the change's kind says."""
FORCE_AFTER = "force after"
BEGIN_SECONDS = 180.0

Minutes = Annotated[float, Field(gt=0, le=24 * 60)]
Seconds = Annotated[float, Field(ge=1, le=600)]
RunNumber = Annotated[int, Field(gt=0)]


@flow(name="stuck-workflow", flow_run_name="stuck-workflow in {environment.name}")
def recover(
    environment: Environment,
    run: RunNumber | None = None,
    workflow: WorkflowFile | None = None,
    stuck_minutes: Minutes = 30.0,
    silent_minutes: Minutes = 10.0,
    force_after_seconds: Seconds = 60.0,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """End workflow runs that hang, and run them again.

    1. Look at every run under way, with its jobs and steps. Left alone, and told why, is one that is young, that
       waits for a person's approval or for another run, or whose steps still begin and end.
    2. Cancel a stuck one; after a while by force, past its `always()` steps. Asked for first where that may leave a
       deployment half done.
    3. Run it again, once. Not where a newer run has taken its place: that would put older code over newer.
    4. Prove it: the old attempt has ended, the new one has left the queue.

    Source: runbook 001, «GitHub Actions Workflow Stuck».
    Budget: 10 minutes.

    Args:
        environment: Whose repository it is.
        run: The number of the run, as in its address. Leave empty to look at all that are under way.
        workflow: The workflow's file. Leave empty for the one that deploys.
        stuck_minutes: How long a run must be under way. A younger one is never touched.
        silent_minutes: How long none of its steps may have begun or ended.
        force_after_seconds: How long a cancelled run may take to end before it is ended by force.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    stuck, silent = timedelta(minutes=stuck_minutes), timedelta(minutes=silent_minutes)

    def judged() -> list[tuple[RunLook, RunVerdict]]:
        numbers = [run] if run else [one.id for one in runs_under_way(environment, workflow or "")]
        looks = in_parallel([partial(workflow_run, environment, number) for number in numbers])
        return [(look, judge_run(look, stuck, silent)) for look in looks]

    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(judged()),
        ladder=[
            Rung(
                name="run-again",
                decide=lambda _finding: _decide(environment, judged(), force_after_seconds),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"run": str(run)} if run else {"workflow": workflow} if workflow else {},
    )


def _detect(judged: list[tuple[RunLook, RunVerdict]]) -> Finding:
    checks = [
        Check(
            name=f"run {look.run.id}",
            verdict=Verdict.FAIL if verdict.state is RunState.STUCK else Verdict.PASS,
            reason=verdict.reason,
            seen=verdict.state.value,
        )
        for look, verdict in judged
    ] or [Check(name="runs", verdict=Verdict.PASS, reason="no run is under way")]
    return Finding(
        health=Verification.of(checks),
        severity=PROMISE.severity,
        summary="; ".join(check.reason for check in checks),
    )


def _decide(
    environment: Environment, judged: list[tuple[RunLook, RunVerdict]], force_after_seconds: float
) -> Plan:
    stuck = [(look, verdict) for look, verdict in judged if verdict.state is RunState.STUCK]
    if not stuck:
        raise NoWayBack(f"{_detect(judged).summary[:400]}.", hint="Nothing hangs: nothing was changed.")
    changes, reasons = [], [verdict.reason for _, verdict in stuck]
    for look, _ in stuck:
        seen = look.run
        others = list_runs(environment, seen.workflow, branch=seen.branch, since=seen.created_at)
        newer = superseded_by(seen, others)
        if newer:
            reasons.append(f"{seen.named} is not run again: run {newer.id} is newer")
        changes.append(
            Change(
                subject=f"run {seen.id}",
                before=f"attempt {seen.attempt}",
                after="ended" if newer else f"attempt {seen.attempt + 1}",
                kind=ONLY_END if newer else AGAIN,
            )
        )
    half = [look for look, _ in stuck if interrupts_a_deployment(look)]
    reasons += [
        f"ending {look.run.named} in «{look.running_step}» may leave a deployment half done" for look in half
    ]
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="run-again",
        title="End and run again " + " and ".join(look.run.named for look, _ in stuck),
        changes=tuple(changes),
        expected=("the old attempts have ended", "the new ones have left the queue"),
        destructiveness=Destructiveness.DISRUPTIVE if half else Destructiveness.REVERSIBLE,
        facts={FORCE_AFTER: str(force_after_seconds)},
        reasons=tuple(reasons),
    )


def _act(environment: Environment, plan: Plan) -> None:
    wait = float(plan.facts[FORCE_AFTER])
    in_parallel([partial(_free, environment, change, wait) for change in plan.changes])


def _free(environment: Environment, change: Change, force_after_seconds: float) -> None:
    run, attempt = _number(change.subject), _number(change.before)
    end_run(environment, run, attempt, force_after_seconds)
    if change.kind == AGAIN:
        rerun(environment, run, attempt)


def _verify(environment: Environment, plan: Plan) -> Verification:
    found = in_parallel([partial(_proof, environment, change) for change in plan.changes])
    return Verification.of([check for checks in found for check in checks])


def _proof(environment: Environment, change: Change) -> list[Check]:
    run, attempt = _number(change.subject), _number(change.before)
    conclusion = attempt_conclusion(environment, run, attempt)
    ended = Check(
        name=f"run {run} attempt {attempt}",
        verdict=Verdict.PASS if conclusion else Verdict.FAIL,
        reason=f"it ended: {conclusion}" if conclusion else "it has not ended",
    )
    if change.kind == ONLY_END:
        return [ended]
    look = watch_run(
        environment,
        run,
        lambda seen: judge_new_attempt(seen, attempt).verdict is not Verdict.INCONCLUSIVE,
        BEGIN_SECONDS,
    )
    return [ended, judge_new_attempt(look, attempt)]


def _number(told: str) -> int:
    """The 9018 of «run 9018»."""
    return int(told.rpartition(" ")[2])
