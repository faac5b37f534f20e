"""Hung process: a test run says nothing and does nothing any more, and does not end."""

from __future__ import annotations

from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack
from rules.kit_settings import judge_queue_setting
from rules.names import RunId
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from tasks.kit_settings import kit_place, kit_settings
from tasks.run_leftovers import free_locks, run_locks, set_artifacts_aside
from tasks.run_repeats import repeat_run
from tasks.test_runs import Activity, newest_run, run_processes, run_record, stop_run, watch_run

SCENARIO = "hung-process"
BUDGET_SECONDS = PROMISES[SCENARIO].seconds
UNASKED = Request()
RUN, CASE, AGAIN = "run", "case", "again"
"""Names of the facts in the plan."""


@flow(name="hung-process", flow_run_name="hung-process in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    run_again: bool = True,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """End a test run that hangs, with everything it started and nothing else, and run it again.

    1. Watch it: no output, no processor time, no input or output for as long as the environment says. A run that does
       anything is left alone.
    2. End its process tree, by pid and start: SIGTERM, then SIGKILL; a child that left for a session of its own too.
    3. Free the locks that name it, and set its half-written artifacts aside.
    4. Run it again, with a time limit, if the kit's settings are right.

    Source: runbook 000, scenario 6.
    Budget: 5 minutes.

    Args:
        environment: Where the test kit runs; this must be its host.
        run: The run's id. Leave empty for the newest one.
        run_again: Run its case once more afterwards.
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
                name="end",
                decide=lambda _finding: _decide(environment, run, again=run_again),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
                act_seconds=environment.test_kit.run_timeout_seconds + 300.0
                if _is_kit(environment)
                else 300.0,
            )
        ],
        budget_seconds=BUDGET_SECONDS,
        parameters={"run": run} if run else {},
    )


def _is_kit(environment: Environment) -> bool:
    return environment.platform.kind == "test_kit"


def _detect(environment: Environment, run: str | None) -> Finding:
    name = run or newest_run(environment)
    checks = [_works(name, watch_run(environment, name)), _locks(environment, name)]
    worst = next((check for check in checks if check.verdict is not Verdict.PASS), checks[0])
    return Finding(
        health=Verification.of(checks),
        severity=PROMISES[SCENARIO].severity,
        summary=f"{worst.name}: {worst.reason}",
    )


def _works(run: str, seen: Activity) -> Check:
    name, wanted = f"run {run}", "it works, or has ended"
    if not seen.processes:
        return Check(name=name, verdict=Verdict.PASS, reason="it has ended", wanted=wanted)
    if seen.hung:
        told = f"{len(seen.processes)} processes did nothing for {seen.watched_seconds:.1f} s: {seen.processes[0]}"
        return Check(name=name, verdict=Verdict.FAIL, reason=told, wanted=wanted)
    return Check(name=name, verdict=Verdict.PASS, reason=seen.progress, wanted=wanted)


def _locks(environment: Environment, run: str) -> Check:
    """A lock of a run that lives is its own; one of a dead run keeps every other out."""
    held, alive = run_locks(environment, run), run_processes(environment, run)
    verdict = Verdict.FAIL if held and not alive else Verdict.PASS
    told = f"{held[0]} is held" + ("" if alive else " by a run that is dead") if held else "none is held"
    return Check(name="locks", verdict=verdict, reason=told, wanted="held by nobody who is dead")


def _decide(environment: Environment, run: str | None, *, again: bool) -> Plan:
    name = run or newest_run(environment)
    alive, held = run_processes(environment, name), run_locks(environment, name)
    if not alive and not held:
        raise NoWayBack(f"Nothing is left of the run {name}.")
    case, why = run_record(environment, name).case, ""
    if again:
        variable = environment.test_kit.variables.queue_url
        setting = judge_queue_setting(
            variable, kit_settings(environment).get(variable, ""), kit_place(environment)
        )
        if setting.verdict is not Verdict.PASS:
            why = f"it is not run again: {variable}: {setting.reason}"
        elif not case:
            why = "it is not run again: the run does not tell which case it was"
    changes = [
        Change(subject=f"processes of {name}", before="running", after="ended", kind="process"),
        Change(subject=f"locks of {name}", before="held", after="free", kind="lock"),
        Change(subject=f"artifacts of {name}", before="half written", after="set aside", kind="folder"),
    ]
    repeated = f"{name}-again" if again and not why else ""
    if repeated:
        changes.append(Change(subject=case, before="", after=f"run again as {repeated}", kind="run"))
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="end",
        title=f"End the run {name}" + (f" and run {case} again" if repeated else ""),
        target=name,
        changes=tuple(changes),
        expected=("no process and no lock of it is left", *((f"{repeated} ends well",) if repeated else ())),
        destructiveness=Destructiveness.REVERSIBLE,
        facts={RUN: name, CASE: case, AGAIN: repeated},
        reasons=(f"{len(alive)} processes: {'; '.join(alive[:3])}", *((why,) if why else ())),
    )


def _act(environment: Environment, plan: Plan) -> None:
    run = plan.facts[RUN]
    stop_run(environment, run)
    free_locks(environment, run)
    set_artifacts_aside(environment, run)
    if plan.facts[AGAIN]:
        repeat_run(environment, plan.facts[CASE], plan.facts[AGAIN])


def _verify(environment: Environment, plan: Plan) -> Verification:
    run = plan.facts[RUN]
    left, held = run_processes(environment, run), run_locks(environment, run)
    checks = [
        Check(
            name=f"run {run}", verdict=Verdict.FAIL if left else Verdict.PASS,
            reason=f"it still runs: {left[0]}" if left else "it has ended", wanted="ended",
        ),
        Check(
            name="locks", verdict=Verdict.FAIL if held else Verdict.PASS,
            reason=f"{held[0]} is still held" if held else "none is held", wanted="free",
        ),
    ]  # fmt: skip
    if plan.facts[AGAIN]:
        checks.append(_repeated(environment, plan.facts[AGAIN]))
    return Verification.of(checks)


def _repeated(environment: Environment, run: str) -> Check:
    name, code = f"run {run}", run_record(environment, run).exit_code
    if code is None:
        told = "it does not tell how it ended"
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=told, wanted="exit code 0")
    verdict = Verdict.PASS if code == 0 else Verdict.FAIL
    return Check(name=name, verdict=verdict, reason=f"it ended with exit code {code}", wanted="exit code 0")
