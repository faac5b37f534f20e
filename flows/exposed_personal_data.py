"""Exposed personal data: names, addresses, numbers or illnesses of people stand in the artifacts of a test run."""

from __future__ import annotations

import json
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from flows._leak import RUN, Leak
from rules.disclosure import duties, told
from rules.errors import NoWayBack
from rules.findings import BEYOND_A_SCAN
from rules.kit_settings import NEEDED_PATTERNS
from rules.leaks import judge_rest
from rules.names import RepositoryAddress, RunId
from rules.outcomes import Outcome, Verification
from rules.plans import Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from tasks.evidence import preserve_evidence

SCENARIO = "exposed-personal-data"
BUDGET_SECONDS = PROMISES[SCENARIO].seconds
UNASKED = Request()
DUTIES = "duties"
"""Name of a fact in the plan."""


@flow(name="exposed-personal-data", flow_run_name="exposed-personal-data in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    repository: RepositoryAddress | None = None,
    people_told: bool = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Take personal data out of reach, keep what has to be reported, and say whom to tell by when.

    1. Look: every file of the run, archives too, for e-mail addresses, phone, social security and card numbers, IBANs,
       and fields that are named after people or their health. What a scan cannot find is said.
    2. Keep the artifacts, encrypted, and read them back: a report to an authority needs to know what it was.
    3. Delete them. Clean the repository's history on a new branch for review; nothing is forced.
    4. Complete the redaction settings, run the case again with redaction, and scan what it wrote.
    5. Say who must be told and by when, from the policy table (`rules/disclosure.py`).

    The incident stays open until `people_told` is ticked: nobody here can know whether they were.

    Source: runbook 000, scenario 5.
    Budget: 15 minutes.

    Args:
        environment: Where the test kit ran.
        run: The run's id. Leave empty for the newest one.
        repository: The Git repository whose history may hold it. Leave empty to leave Git alone.
        people_told: Tick when compliance took over, or everybody was told.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    leak = Leak(
        environment,
        run or "",
        repository or "",
        what="personal data",
        variable=environment.test_kit.variables.redact_patterns,
        names=NEEDED_PATTERNS,
        personal=True,
    )
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: leak.finding(PROMISES[SCENARIO]),
        ladder=[
            Rung(
                name="withdraw",
                decide=lambda _finding: _decide(leak),
                act=partial(_act, leak),
                verify=partial(_verify, leak, people_told=people_told),
                act_seconds=1800.0,
            )
        ],
        budget_seconds=BUDGET_SECONDS,
        parameters=leak.parameters,
    )


def _decide(leak: Leak) -> Plan:
    run = leak.wanted_run()
    report, found = leak.scan(run)
    if not found:
        raise NoWayBack(f"No personal data was found in the artifacts of {run}.", hint=report.told())
    concerned = [told(duty) for duty in duties(each.kind for each in found)]
    return Plan(
        scenario=SCENARIO,
        environment=leak.environment.name,
        rung="withdraw",
        title=f"Withdraw the artifacts of {run}, which hold personal data, and keep them encrypted",
        target=run,
        changes=leak.changes(run),
        expected=("the artifacts are gone", "the next run's artifacts hold no personal data"),
        destructiveness=Destructiveness.DISRUPTIVE,
        facts=leak.facts(run) | {DUTIES: json.dumps(concerned)},
        reasons=(
            report.told(),
            *(f"to be told: {each}" for each in concerned),
            *(f"beyond a scan: {what}" for what in BEYOND_A_SCAN),
        ),
    )


def _act(leak: Leak, plan: Plan) -> None:
    preserve_evidence(leak.environment, plan.facts[RUN])
    leak.clear(plan)


def _verify(leak: Leak, plan: Plan, *, people_told: bool) -> Verification:
    concerned = [f"tell {each}" for each in json.loads(plan.facts[DUTIES])]
    return Verification.of([*leak.checks(plan), judge_rest(concerned, people_told)])
