"""Preprod test failure: the deployment succeeded, its integration tests failed, and production is blocked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows._failed_tests import classified, look_at_place
from flows._incident import handle
from flows._ladder import Request, Rung, Snapshot
from flows._left_over import left_over, selectors_of
from rules.errors import NoWayBack
from rules.outcomes import Effect, Finding, Outcome, Verification
from rules.plans import Change, Plan
from rules.polluted_items import Selector, cost_of_deleting
from rules.preprod_tests import course, judge_again, judge_left_over, judge_tests
from rules.promises import PROMISES
from rules.severity import Destructiveness
from rules.workflow_runs import RunLook, superseded_by
from tasks.kinds import in_parallel
from tasks.run_lists import list_runs
from tasks.run_watching import watch_run
from tasks.tables import count_polluted, delete_polluted, keep_polluted, put_back_kept
from tasks.workflow_runs import rerun, workflow_run

SCENARIO = "preprod-test-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
ENDS_SECONDS = 60.0
"""So long the rest of a run may take after a job of it failed."""
RERUN, ATTEMPT, SELECTOR = "rerun", "attempt", "selector:"
"""Names of the facts in the plan."""

RunNumber = Annotated[int, Field(gt=0)]
ArtifactName = Annotated[str, Field(max_length=200)]
Minutes = Annotated[int, Field(ge=1, le=120)]


@flow(name="preprod-test-failure", flow_run_name="preprod-test-failure in {environment.name}: run {run}")
def recover(
    environment: Environment,
    run: RunNumber,
    report: ArtifactName = "preprod-test-results-{sha}",
    watch_minutes: Minutes = 25,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Find out why the tests before production failed, clean up after them, and run them again where that helps.

    1. Read the failed run: the logs of its failed jobs, its test report. Say of each failed test whether its code,
       the infrastructure, throttling, left-over data or a secret made it fail.
    2. Look at what they ran against, as it is now: tables, functions, secrets (without showing one).
    3. Count what the run left in the tables; keep a copy of exactly that, and delete it; never anything else.
    4. Run the failed jobs again, unless the code is at fault, something is still broken, or a newer run is there.
    5. Watch the run to its end.

    Source: runbook 001, scenario 3.
    Budget: 30 minutes.

    Args:
        environment: Where the tests ran.
        run: The number of the failed run, as in its address.
        report: The run's artifact with its test report (JUnit); {sha} stands for the commit. Empty: its logs alone.
        watch_minutes: How long the run may take when it runs again.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, run, report),
        ladder=[
            Rung(
                name="clean-and-rerun",
                decide=lambda _finding: _decide(environment, run, report),
                act=partial(_act, environment, run),
                verify=partial(_verify, environment, run, 60.0 * watch_minutes),
                undo=partial(_undo, environment),
                verify_seconds=60.0 * watch_minutes + 300,
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"run": str(run)},
    )


def _detect(environment: Environment, run_id: int, report: str) -> Finding:
    look = _ended(environment, run_id)
    failed = look.run.ended and look.run.conclusion != "success"
    found = classified(environment, look, report.replace("{sha}", look.run.sha)) if failed else None
    checks = [judge_tests(look.run, found)]
    if failed:
        left = {table: count.polluted for table, count in left_over(environment, look).items()}
        checks += [*judge_left_over(left, str(run_id)), *look_at_place(environment)]
    return Finding(health=Verification.of(checks), severity=PROMISE.severity, summary=checks[0].reason)


def _ended(environment: Environment, run_id: int) -> RunLook:
    """The run once it is over: a failed job is told of before what comes after it is skipped or done."""
    return watch_run(
        environment,
        run_id,
        lambda seen: seen.run.ended or not any(job.failed for job in seen.jobs),
        ENDS_SECONDS,
    )


def _decide(environment: Environment, run_id: int, report: str) -> Plan:
    look = workflow_run(environment, run_id)
    run = look.run
    found = classified(environment, look, report.replace("{sha}", run.sha))
    later = list_runs(environment, run.workflow, branch=run.branch, since=run.created_at, most=200)
    chosen = course(found, look_at_place(environment), superseded_by(run, later))
    left = {table: count for table, count in left_over(environment, look).items() if count.polluted}
    if not left and not chosen.again:
        raise NoWayBack(f"{run.named} is left as it is: {chosen.reason}", hint=chosen.reason)
    changes = [
        Change(
            subject=table, before=f"{count.polluted} items of run {run_id}", after="none of them", kind="data"
        )
        for table, count in left.items()
    ]
    if chosen.again:
        changes.append(
            Change(
                subject=run.named,
                before=f"attempt {run.attempt}: {run.conclusion}",
                after="runs again",
                kind="run",
            )
        )
    costs = [cost_of_deleting(count.polluted, count.scanned) for count in left.values()]
    does = (["Clean up after"] if left else []) + (["run again the failed jobs of"] if chosen.again else [])
    title = " and ".join(does)
    selectors = {s.table: s.model_dump_json() for s in selectors_of(environment, look) if s.table in left}
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="clean-and-rerun",
        title=f"{title[0].upper()}{title[1:]} {run.named}",
        changes=tuple(changes),
        expected=("its next attempt passes",)
        if chosen.again
        else ("nothing of the run is left", "it stays failed"),
        destructiveness=next(
            (c for c in costs if c is not Destructiveness.REVERSIBLE), Destructiveness.REVERSIBLE
        ),
        facts={
            RERUN: "yes" if chosen.again else "",
            ATTEMPT: str(run.attempt),
            **{f"{SELECTOR}{table}": text for table, text in selectors.items()},
        },
        reasons=(
            chosen.reason,
            *(f"{t}: {c.polluted} of {c.scanned} items are the run's" for t, c in left.items()),
        ),
    )


def _kept_selectors(plan: Plan) -> list[Selector]:
    return [
        Selector.model_validate_json(text) for name, text in plan.facts.items() if name.startswith(SELECTOR)
    ]


def _act(environment: Environment, run_id: int, plan: Plan) -> None:
    if selectors := _kept_selectors(plan):
        in_parallel([partial(keep_polluted, environment, selector) for selector in selectors])
        in_parallel([partial(delete_polluted, environment, selector) for selector in selectors])
    if plan.facts[RERUN]:
        rerun(environment, run_id, int(plan.facts[ATTEMPT]), only_failed=True)


def _verify(environment: Environment, run_id: int, seconds: float, plan: Plan) -> Verification:
    attempt = int(plan.facts[ATTEMPT])
    if not plan.facts[RERUN]:
        selectors = _kept_selectors(plan)
        left = {selector.table: count_polluted(environment, selector).polluted for selector in selectors}
        return Verification.of(judge_left_over(left, str(run_id)))
    look = watch_run(environment, run_id, lambda seen: seen.run.attempt > attempt and seen.run.ended, seconds)
    return Verification.of([judge_again(look.run, attempt, [job.name for job in look.jobs if job.failed])])


def _undo(environment: Environment, plan: Plan, _before: Snapshot) -> Sequence[Callable[[], Effect]]:
    return [partial(put_back_kept, environment, selector) for selector in _kept_selectors(plan)]
