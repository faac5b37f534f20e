"""Wrong queue publish: a test run sent its messages into a queue that is somebody else's."""

from __future__ import annotations

import json
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from flows._stray_run import CHUNK, Stray, accounted, look, numbered_from, right_queue
from flows._wording import several
from rules.errors import NoWayBack, RecoveryRefused
from rules.kit_settings import judge_queue_setting
from rules.names import CorrelationId, QueueUrl, RunId
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness, Tier
from rules.stray_messages import RunTraces, refuses_a_look
from tasks.kit_settings import kit_place, kit_settings
from tasks.queues import copy_everything, purge, queue_state, remove_published, removed_ids, send_on, tally_of
from tasks.run_leftovers import free_locks
from tasks.test_runs import run_processes, stop_run

SCENARIO = "wrong-queue-publish"
BUDGET_SECONDS = PROMISES[SCENARIO].seconds
UNASKED = Request()
NOBODY: tuple[str, ...] = ()
RUN, QUEUES, TRACES, TARGET, SPEND = "run", "queues", "given", "target", "spend_receives"
"""Names of the facts in the plan."""


@flow(name="wrong-queue-publish", flow_run_name="wrong-queue-publish in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    wrong_queue: QueueUrl | None = None,
    correlation_ids: list[CorrelationId] | None = None,
    sent_after: str | None = None,
    sent_before: str | None = None,
    send_on_to_right_queue: bool = False,
    spend_receives: bool = False,
    purge_instead: bool = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Take a test run's messages out of a queue that is not its own, and leave everybody else's in place.

    1. Look, without receiving anything: what the run published, by its artifacts or by what is given; how full the
       wrong queue and its dead-letter queue are.
    2. Stop the run: its process tree, by pid and start.
    3. Take out exactly its messages, each copied first, encrypted. Others' stay: visible, in order, with a try left.
    4. If asked, send them on to the right queue, once each.
    5. Prove it; count what was found, removed, sent on, consumed already, unknown; offer the right setting.

    Purging is for qa alone, by choice, with an approval, after a copy of everything.

    Source: runbook 000, scenario 2.
    Budget: 10 minutes.

    Args:
        environment: Where the test kit ran.
        run: The run's id. Leave empty for the newest one.
        wrong_queue: Where the messages went. Leave empty for what the run says.
        correlation_ids: Where the run left no artifacts: what marks its messages. Then `sent_after` is needed.
        sent_after: When it began, such as 2026-11-28T03:00.
        sent_before: When it ended.
        send_on_to_right_queue: Send what is taken out to the queue it was meant for.
        spend_receives: Search even where that costs other people's messages their last try.
        purge_instead: Delete everything in the wrong queue, other people's messages too.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    stray = Stray(
        environment, run or "", wrong_queue or "", tuple(correlation_ids or NOBODY), sent_after, sent_before
    )
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(stray),
        ladder=[
            Rung(
                name="remove",
                decide=lambda _finding: _decide(
                    stray, send_on=send_on_to_right_queue, spend=spend_receives, purge=purge_instead
                ),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
                act_seconds=1800.0,
            ),
            Rung(
                name="purge",
                decide=lambda _finding: _decide_purge(stray, chosen=purge_instead),
                act=partial(_act_purge, environment),
                verify=partial(_verify_purge, environment),
            ),
        ],
        budget_seconds=BUDGET_SECONDS,
        parameters={"run": run or "the newest"} | ({"wrong queue": wrong_queue} if wrong_queue else {}),
    )


def _detect(stray: Stray) -> Finding:
    found = look(stray)
    checks = [found.check(url) for url in found.wrong]
    running = (
        run_processes(stray.environment, found.traces.run_id) if found.wrong and found.has_folder else ()
    )
    if running:
        told = f"it still runs: {running[0]}"
        checks.append(
            Check(name=f"run {found.traces.run_id}", verdict=Verdict.FAIL, reason=told, wanted="ended")
        )
    if not found.wrong:
        told = f"{found.traces.run_id} published nothing outside its own queues"
        checks.append(Check(name="strays", verdict=Verdict.PASS, reason=told))
    setting = _setting(stray.environment)
    summary = next((c.reason for c in checks if c.verdict is not Verdict.PASS), checks[0].reason)
    if setting.verdict is not Verdict.PASS:
        summary = f"{summary}; {setting.name}: {setting.reason}"
    promise = PROMISES[SCENARIO]
    return Finding(
        health=Verification.of(checks),
        severity=promise.severity,
        summary=summary,
        situation=promise.situation,
    )


def _setting(environment: Environment) -> Check:
    variable = environment.test_kit.variables.queue_url
    return judge_queue_setting(variable, kit_settings(environment).get(variable, ""), kit_place(environment))


def _decide(stray: Stray, *, send_on: bool, spend: bool, purge: bool) -> Plan:
    if purge:
        raise NoWayBack("Somebody chose to purge.")
    environment, found = stray.environment, look(stray)
    searched = [url for url in found.wrong for url in (url, found.states[url].dead_letters) if url]
    existing = [url for url in searched if found.states[url].exists]
    if not existing:
        raise NoWayBack("None of the queues exists any more: there is nothing to take out.")
    for url in existing:
        if (refused := refuses_a_look(found.states[url])) and not spend:
            raise RecoveryRefused(
                f"{refused}.", hint="Raise its `maxReceiveCount`, or allow it: `spend_receives=true`."
            )
    target = right_queue(environment, existing[0]) if send_on else ""
    ids = found.traces.message_ids
    published = several(len(ids), "message") if ids else "the messages"
    counts = [
        Change(
            subject=found.states[url].name, before="the run's messages among others'",
            after="others' messages", kind="queue",
        )
        for url in existing
    ]  # fmt: skip
    if target:
        counts.append(
            Change(subject=target.rpartition("/")[2], before="", after="the run's, once each", kind="queue")
        )
    setting = _setting(environment)
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="remove",
        title=f"Take {published} of {found.traces.run_id or 'a run'} out of {found.states[existing[0]].name}",
        target=existing[0],
        changes=tuple(counts),
        expected=("no message of the run is left there", "every other message is visible in its place"),
        destructiveness=Destructiveness.DISRUPTIVE,
        facts={
            RUN: found.traces.run_id if found.has_folder else "",
            QUEUES: json.dumps(existing),
            TRACES: found.given.model_dump_json() if found.given else "",
            TARGET: target,
            SPEND: "yes" if spend else "",
        },
        reasons=(
            *(f"{found.states[url].name}: {found.check(url).reason}" for url in found.wrong),
            *((setting.reason,) if setting.verdict is not Verdict.PASS else ()),
        ),
    )


def _traces(environment: Environment, plan: Plan) -> RunTraces:
    """What marks the run's messages, read again: until it was stopped it may have published more."""
    given = RunTraces.model_validate_json(plan.facts[TRACES]) if plan.facts[TRACES] else None
    return accounted(environment, plan.facts[RUN], given)


def _act(environment: Environment, plan: Plan) -> None:
    if plan.facts[RUN]:
        stop_run(environment, plan.facts[RUN])
        free_locks(environment, plan.facts[RUN])
    traces = _traces(environment, plan)
    name, spend = numbered_from(traces), bool(plan.facts[SPEND])
    for url in json.loads(plan.facts[QUEUES]):
        if queue_state(environment, url).exists:
            remove_published(environment, name, traces, url, spend=spend)
    if plan.facts[TARGET]:
        count = len(removed_ids(environment, name))
        for first in range(1, count + 1, CHUNK):
            send_on(environment, name, plan.facts[TARGET], first, min(first + CHUNK - 1, count))


def _verify(environment: Environment, plan: Plan) -> Verification:
    traces = _traces(environment, plan)
    tally = tally_of(environment, numbered_from(traces), traces)
    good = not (tally.unknown or tally.uncertain)
    counts = Check(
        name="counts",
        verdict=Verdict.PASS if good else Verdict.INCONCLUSIVE,
        reason=str(tally),
        wanted="all known",
    )
    checks = [counts]
    for url in json.loads(plan.facts[QUEUES]):
        state = queue_state(environment, url)
        told = f"{state.visible} messages are visible, {state.hidden} in somebody's hands"
        checks.append(Check(name=state.name, verdict=Verdict.PASS, reason=told, seen=str(state.total)))
    if plan.facts[RUN]:
        left = run_processes(environment, plan.facts[RUN])
        verdict, told = (
            (Verdict.FAIL, f"it still runs: {left[0]}") if left else (Verdict.PASS, "it has ended")
        )
        checks.append(Check(name=f"run {plan.facts[RUN]}", verdict=verdict, reason=told, wanted="ended"))
    if plan.facts[TARGET]:
        sent = tally.moved + tally.uncertain
        verdict = Verdict.PASS if sent == tally.removed else Verdict.FAIL
        told = f"{tally.moved} of {tally.removed} messages were sent on"
        checks.append(Check(name="sent on", verdict=verdict, reason=told))
    return Verification.of(checks)


def _decide_purge(stray: Stray, *, chosen: bool) -> Plan:
    if not chosen:
        raise NoWayBack("Nobody chose to purge.")
    environment, found = stray.environment, look(stray)
    if environment.tier is not Tier.QA:
        raise RecoveryRefused(
            f"{environment.name} is {environment.tier.value}: only in qa a queue may be purged.",
            hint="Take out the run's messages instead: leave `purge_instead` empty.",
        )
    existing = [url for url in found.wrong if found.states[url].exists]
    if not existing:
        raise NoWayBack("There is no queue to purge.")
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="purge",
        title=f"Purge {', '.join(found.states[url].name for url in existing)}, other people's messages included",
        target=existing[0],
        changes=tuple(
            Change(
                subject=found.states[url].name, before="messages of everybody", after="empty", kind="queue"
            )
            for url in existing
        ),
        expected=("the queues are empty", "a copy of everything is kept"),
        destructiveness=Destructiveness.DESTRUCTIVE,
        facts={RUN: found.traces.run_id if found.has_folder else "", QUEUES: json.dumps(existing)},
        reasons=("somebody chose to purge",),
    )


def _act_purge(environment: Environment, plan: Plan) -> None:
    if plan.facts[RUN]:
        stop_run(environment, plan.facts[RUN])
    for url in json.loads(plan.facts[QUEUES]):
        copy_everything(environment, plan.facts[RUN] or "given", url)
        purge(environment, url)


def _verify_purge(environment: Environment, plan: Plan) -> Verification:
    checks = []
    for url in json.loads(plan.facts[QUEUES]):
        state = queue_state(environment, url)
        verdict = Verdict.FAIL if state.total else Verdict.PASS
        checks.append(
            Check(name=state.name, verdict=verdict, reason=f"it holds {state.total} messages", wanted="empty")
        )
    return Verification.of(checks)
