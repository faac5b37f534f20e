"""Production misfire: a test run acted in an account that is not its own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from ledger.cases import now
from rules.errors import NoWayBack
from rules.misfires import (
    Sent,
    foreign_accounts,
    judge_account,
    judge_calls,
    judge_sent,
    judge_trail,
    messages_of,
    sentence_of,
)
from rules.names import RunId
from rules.outcomes import Check, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from tasks.blocked_accounts import block_account, block_in_kit, blocked_accounts
from tasks.evidence import kept_evidence, preserve_evidence
from tasks.foreign_accounts import messages_sent, trail_of
from tasks.kit_settings import kit_settings
from tasks.run_outputs import last_sign
from tasks.test_runs import newest_run, run_processes, run_record, run_traces, stop_run

SCENARIO = "production-misfire"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
RUN, ACCOUNTS = "run", "accounts"
"""Names of the facts in the plan."""


@flow(name="production-misfire", flow_run_name="production-misfire in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Stop a test run that acts in production, shut it out from there, and say what it did.

    1. See which accounts it published to, or was set up for, that are not the environment's own.
    2. Stop it at once: its whole process tree, by pid and start.
    3. Keep its artifacts, encrypted.
    4. Put these accounts on the block list, which Backstop's guard, the preflight and the kit itself respect.
       `backstop blocked-accounts remove` takes one off again.
    5. Say what it did: messages by its own word and by the queue's metric, reads and writes by CloudTrail; how complete
       that is; what should be cleaned up. Nothing is ever changed there.

    Source: runbook 000, scenario 3.
    Budget: 5 minutes.

    Args:
        environment: Where the test kit ran; this must be its host.
        run: The run's id. Leave empty for the newest one.
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
                name="stop-and-block",
                decide=lambda _finding: _decide(environment, run),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"run": run or "the newest"},
    )


def _detect(environment: Environment, run: str | None) -> Finding:
    name = run or newest_run(environment)
    foreign = _foreign(environment, name)
    checks = _closed(environment, name, tuple(foreign)) or [
        Check(name=f"run {name}", verdict=Verdict.PASS, reason="it acted in its own account alone")
    ]
    bad = next((check for check in checks if check.verdict is not Verdict.PASS), checks[0])
    return Finding(
        health=Verification.of(checks),
        severity=PROMISE.severity,
        summary=f"{bad.name}: {bad.reason}",
        situation=PROMISE.situation,
    )


def _foreign(environment: Environment, run: str) -> dict[str, tuple[str, ...]]:
    """Accounts that are not ours, by what the run published and by what it was set up for."""
    setting = run_record(environment, run).settings.get(environment.test_kit.variables.queue_url, "")
    urls = (*run_traces(environment, run).queues, setting)
    return foreign_accounts(urls, environment.aws.account_id)


def _closed(environment: Environment, run: str, accounts: tuple[str, ...]) -> list[Check]:
    alive, blocked = bool(run_processes(environment, run)), blocked_accounts()
    refused = kit_settings(environment).get(environment.test_kit.variables.blocked_accounts, "").split(",")
    return [
        judge_account(account, alive=alive, blocked=account in blocked, kit_refuses=account in refused)
        for account in accounts
    ]


def _decide(environment: Environment, run: str | None) -> Plan:
    name = run or newest_run(environment)
    foreign = _foreign(environment, name)
    if not foreign:
        raise NoWayBack(f"The run {name} acted in its own account alone.")
    changes = [Change(subject=f"processes of {name}", before="running", after="ended", kind="process")]
    for account in foreign:
        changes.append(Change(subject=f"account {account}", before="open", after="blocked", kind="account"))
    changes.append(Change(subject=f"artifacts of {name}", before="", after="kept encrypted", kind="evidence"))
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="stop-and-block",
        title=f"Stop {name} and shut tests out of {', '.join(foreign)}",
        target=name,
        changes=tuple(changes),
        expected=("no process of it is left", "these accounts are refused", "what it did there is told"),
        destructiveness=Destructiveness.REVERSIBLE,
        facts={RUN: name, ACCOUNTS: json.dumps(sorted(foreign))},
        reasons=tuple(
            f"it was sent to {', '.join(url.rpartition('/')[2] for url in urls)} in account {account}"
            for account, urls in foreign.items()
        ),
    )


def _act(environment: Environment, plan: Plan) -> None:
    run = plan.facts[RUN]
    stop_run(environment, run)
    for account in json.loads(plan.facts[ACCOUNTS]):
        block_account(environment, account, f"the test run {run} acted there")
        block_in_kit(environment, account)
    preserve_evidence(environment, run)


def _verify(environment: Environment, plan: Plan) -> Verification:
    run, accounts = plan.facts[RUN], tuple(json.loads(plan.facts[ACCOUNTS]))
    record, until = run_record(environment, run), last_sign(environment, run)
    since = record.began or until - timedelta(hours=1)
    kept = kept_evidence(environment, run)
    told = sentence_of(run, record.case, record.began, until)
    checks = [
        Check(name="what ran", verdict=Verdict.PASS, reason=told),
        *_closed(environment, run, accounts),
        Check(
            name="evidence", verdict=Verdict.PASS if kept else Verdict.FAIL,
            reason=kept.told if kept else "nothing is kept", wanted="kept",
        ),
    ]  # fmt: skip
    for account in accounts:
        checks += _impact(environment, run, account, since, until)
    return Verification.of(checks)


def _impact(
    environment: Environment, run: str, account: str, since: datetime, until: datetime
) -> list[Check]:
    """What the run did in an account. AWS counts by whole minutes, and its clock is not ours."""
    first, last = since.replace(second=0, microsecond=0), until + timedelta(minutes=1)
    trail, traces, seen = trail_of(environment, account, first, last), run_traces(environment, run), now()
    checks = [judge_trail(account, trail, until, seen)]
    if trail is not None:
        checks += judge_calls(account, run, trail)
    for queue, number in messages_of(traces.sent, account).items():
        sent = Sent(
            queue=queue, by_run=number, by_metric=messages_sent(environment, account, queue, first, last)
        )
        checks.append(judge_sent(sent, tuple(traces.correlation_ids), until, seen))
    return checks
