"""Test run failure: a run of the kit failed, or left no artifacts; nothing outside it was touched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack, RecoveryRefused
from rules.kit_settings import judge_queue_setting
from rules.names import RunId
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.pytest_logs import failed_tests
from rules.run_failures import judge_effects, judge_end, worth_another
from rules.test_failures import Classification, classify
from tasks.kinds import pause, say
from tasks.kit_settings import kit_place, kit_settings
from tasks.run_leftovers import free_locks, set_artifacts_aside
from tasks.run_outputs import repeated_runs, run_end, run_output
from tasks.run_repeats import repeat_run
from tasks.test_runs import newest_run, run_processes, run_record, run_traces

SCENARIO = "test-run-failure"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
RUN, CASE, DEBUG, RETRIES = "run", "case", "debug", "retries"
"""Names of the facts in the plan."""

WAIT_SECONDS = 5.0
"""Before a retry, that many more each time: what is busy or away may come back."""

Tries = Annotated[int, Field(ge=1, le=5)]


@flow(name="test-run-failure", flow_run_name="test-run-failure in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    tries: Tries = 2,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Find out why a test run failed, clean up, and run it again where that helps, a few times at the most.

    1. Read how it ended, what it said and which artifacts it left; say what its failure is.
    2. See that it published to its own queues alone: then nothing needs rolling back.
    3. Run its case again verbosely; say of that run too what its failure is; set its artifacts aside.
    4. Where another try may help, run it again, with a time limit, until it passes or the tries are used up. Broken
       code is left to its author.

    Source: runbook 000, scenario 1.
    Budget: 10 minutes.

    Args:
        environment: Where the test kit runs; this must be its host.
        run: The run's id. Leave empty for the newest one.
        tries: How often it may be run again after the verbose run.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, run),
        ladder=[
            Rung(
                name="repeat",
                decide=lambda _finding: _decide(environment, run, tries),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
                act_seconds=3600.0,
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"run": run or "the newest"},
    )


def _detect(environment: Environment, run: str | None) -> Finding:
    name = run or newest_run(environment)
    alive = bool(run_processes(environment, name))
    passed = [end for end in repeated_runs(environment, name).values() if "-retry-" in end.run and end.passed]
    check = judge_end(
        run_end(environment, name),
        _classified(environment, name),
        alive=alive,
        later=next(iter(passed), None),
    )
    checks = [check]
    if check.verdict is not Verdict.PASS:
        checks.append(judge_effects(name, _elsewhere(environment, name)))
    return Finding(
        health=Verification.of(checks), severity=PROMISE.severity, summary=f"{check.name}: {check.reason}"
    )


def _classified(environment: Environment, run: str) -> Classification:
    return classify(failed_tests(run, run_output(environment, run)))


def _elsewhere(environment: Environment, run: str) -> tuple[str, ...]:
    queues: tuple[str, ...] = run_traces(environment, run).queues
    return tuple(url.rpartition("/")[2] for url in queues)


def _decide(environment: Environment, run: str | None, tries: int) -> Plan:
    name = run or newest_run(environment)
    effects = judge_effects(name, _elsewhere(environment, name))
    if effects.verdict is not Verdict.PASS:
        raise RecoveryRefused(
            f"{effects.reason}.", hint="Start `backstop recover wrong-queue-publish` first."
        )
    case, variable = run_record(environment, name).case, environment.test_kit.variables.queue_url
    if not case:
        raise NoWayBack(f"The run {name} does not tell which case it was.", hint="Run it again by hand.")
    setting = judge_queue_setting(
        variable, kit_settings(environment).get(variable, ""), kit_place(environment)
    )
    if setting.verdict is not Verdict.PASS:
        raise NoWayBack(
            f"It is not run again: {variable}: {setting.reason}", hint="Correct the kit's `.env`."
        )
    taken = repeated_runs(environment, name)
    debug = next(_free(name, "debug", taken))
    retries = tuple(islice(_free(name, "retry", taken), tries))
    changes = [
        Change(subject=case, before="", after=f"run verbosely as {debug}, then set aside", kind="run"),
        *(Change(subject=case, before="", after=f"run again as {retry}", kind="run") for retry in retries),
    ]
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="repeat",
        title=f"Run {case} again verbosely, then up to {tries} times",
        target=name,
        changes=tuple(changes),
        expected=(f"one of {', '.join(retries)} passes",),
        facts={RUN: name, CASE: case, DEBUG: debug, RETRIES: json.dumps(retries)},
        reasons=(
            effects.reason,
            judge_end(run_end(environment, name), _classified(environment, name)).reason,
        ),
    )


def _free(run: str, kind: str, taken: Iterable[str]) -> Iterator[str]:
    """Names that no run has."""
    names = (f"{run}-{kind}-{number}" for number in count(1))
    return (name for name in names if name not in set(taken))


def _act(environment: Environment, plan: Plan) -> None:
    case, debug = plan.facts[CASE], plan.facts[DEBUG]
    free_locks(environment, plan.facts[RUN])
    repeat_run(environment, case, debug, ("--verbose",))
    again, why = _judged(environment, debug)
    set_artifacts_aside(environment, debug)
    for number, retry in enumerate(json.loads(plan.facts[RETRIES])):
        say(f"run it again as {retry}: {why}" if again else f"not run again: {why}")
        if not again:
            return
        pause(WAIT_SECONDS * number)
        repeat_run(environment, case, retry)
        if run_end(environment, retry).passed:
            return
        again, why = _judged(environment, retry)


def _judged(environment: Environment, run: str) -> tuple[bool, str]:
    return worth_another(run_end(environment, run), _classified(environment, run))


def _verify(environment: Environment, plan: Plan) -> Verification:
    made = repeated_runs(environment, plan.facts[RUN])
    ours = [name for name in (plan.facts[DEBUG], *json.loads(plan.facts[RETRIES])) if name in made]
    checks: list[Check] = [
        judge_end(made[name], _classified(environment, name)) for name in ours[1:][-1:] or ours
    ]
    for name in ours:
        checks.append(judge_effects(name, _elsewhere(environment, name)))
    return Verification.of(checks)
