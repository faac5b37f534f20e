"""Log throttling: a test run could not read its service's logs to their end, because AWS refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack
from rules.log_reading import USUAL_RATE, ReadLogs, judge_newest, judge_reading, share_of
from rules.names import RunId
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.pytest_logs import failed_tests
from rules.test_failures import FailureKind, classify
from tasks.kinds import in_parallel
from tasks.run_logs import log_quota, missing_events, read_logs, read_logs_again
from tasks.run_outputs import run_output
from tasks.test_runs import newest_run, run_processes, run_record

SCENARIO = "log-throttling"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
RUN, WANTED, QUOTA = "run", "wanted", "quota"
"""Names of the facts in the plan."""


@flow(name="log-throttling", flow_run_name="log-throttling in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    read_again: bool = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Read the logs of a run again, to their end and each event once, however AWS throttles it.

    1. See by the run's own output that it was throttled; which groups and which time it wanted.
    2. Read the account's quota, where it can be read, and stay below half of it.
    3. Read window by window. A refusal is waited out, longer each time and never as long as somebody else; then fewer
       groups are asked at once, and smaller windows. What was read is kept: after a death it goes on there.
    4. Put all of it together with what the run itself had read: each event once, in order.
    5. Prove it: the file is as it was written, and nothing of each group's last minute came later.

    Source: runbook 000, scenario 7.
    Budget: 10 minutes.

    Args:
        environment: Where the test kit ran; this must be its host.
        run: The run's id. Leave empty for the newest one.
        read_again: Tick to read them again although the run does not say that it was throttled.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, run, again=read_again),
        ladder=[
            Rung(
                name="read",
                decide=lambda _finding: _decide(environment, run),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
                act_seconds=3600.0,
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"run": run or "the newest"},
    )


def _detect(environment: Environment, run: str | None, *, again: bool) -> Finding:
    name = run or newest_run(environment)
    check = _check(environment, name)
    if again:
        told = "somebody asked to read them again"
        check = Check(name=check.name, verdict=Verdict.FAIL, reason=told, wanted=check.wanted)
    return Finding(
        health=Verification.of([check]), severity=PROMISE.severity, summary=f"{check.name}: {check.reason}"
    )


def _check(environment: Environment, run: str) -> Check:
    found = classify(failed_tests(run, run_output(environment, run)))
    throttled = [each.evidence for each in found.failures if each.kind is FailureKind.THROTTLING]
    check: Check = judge_reading(
        run,
        alive=bool(run_processes(environment, run)),
        throttled=next(iter(throttled), ""),
        read=read_logs(environment, run),
    )
    return check


def _decide(environment: Environment, run: str | None) -> Plan:
    name = run or newest_run(environment)
    wanted, quota = _wanted(environment, name), log_quota(environment)
    seconds = (wanted.end - wanted.start) // 1000
    paced = f"at most {share_of(quota):g} calls a second"
    known = f"its quota is {quota:g}" if quota else f"its quota cannot be read, {USUAL_RATE:g} is usual"
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="read",
        title=f"Read the last {seconds} s of {len(wanted.groups)} log groups of {name} to their end",
        target=name,
        changes=tuple(
            Change(subject=group, before="read in part", after="read to its end", kind="logs")
            for group in wanted.groups
        ),
        expected=("every event of that time is in the run's logs, once",),
        facts={RUN: name, WANTED: wanted.model_dump_json(), QUOTA: json.dumps(quota)},
        reasons=(f"{paced}: {known}",),
    )


def _wanted(environment: Environment, run: str) -> ReadLogs:
    """The groups and the time that the run wanted, by its own settings; its window reached back from when it read.

    Raises:
        NoWayBack: the run still reads, or does not tell when it began.
    """
    record, names = run_record(environment, run), environment.test_kit.variables
    if run_processes(environment, run):
        raise NoWayBack(f"The run {run} still runs.", hint="Wait for its end, or end it: hung-process.")
    if record.began is None:
        raise NoWayBack(f"The run {run} does not tell when it began.")
    told = record.settings.get(names.log_groups, "")
    groups = [group.strip() for group in told.split(",") if group.strip()] or environment.test_kit.log_groups
    if not groups:
        raise NoWayBack("No log group is known.", hint="Name them: `log_groups` in the environment's file.")
    window = record.settings.get(names.log_window, "")
    seconds = int(window) if window.isdecimal() else 0
    # A run that was killed does not tell when it ended: it took no longer than any run may.
    longest = timedelta(seconds=environment.test_kit.run_timeout_seconds)
    before = read_logs(environment, run)
    return ReadLogs(
        number=before.number + 1 if before else 1,
        groups=tuple(dict.fromkeys(groups)),
        start=_milliseconds(record.began - timedelta(seconds=seconds)),
        end=_milliseconds(record.ended or record.began + longest),
        events=0,
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _act(environment: Environment, plan: Plan) -> None:
    wanted = ReadLogs.model_validate_json(plan.facts[WANTED])
    read_logs_again(environment, plan.facts[RUN], wanted, json.loads(plan.facts[QUOTA]))


def _verify(environment: Environment, plan: Plan) -> Verification:
    run, wanted = plan.facts[RUN], ReadLogs.model_validate_json(plan.facts[WANTED])
    checks = [_check(environment, run)]
    newest = in_parallel(
        [partial(missing_events, environment, run, group, wanted.end) for group in wanted.groups]
    )
    checks += [
        judge_newest(group, missing, seen)
        for group, (missing, seen) in zip(wanted.groups, newest, strict=True)
    ]
    return Verification.of(checks)
