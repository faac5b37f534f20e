"""Exposed credentials: keys, tokens or passwords stand in the artifacts of a test run."""

from __future__ import annotations

import json
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from flows._leak import RUN, Leak
from rules.errors import NoWayBack
from rules.exposed_secrets import Answer, ExposedKey, judge_death, judge_restart, judge_stored, persons_work
from rules.findings import BEYOND_A_SCAN
from rules.kit_settings import NEEDED_REDACTION
from rules.leaks import judge_rest
from rules.names import FunctionName, RepositoryAddress, RunId, SecretName
from rules.outcomes import Check, Outcome, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.severity import Destructiveness
from tasks.evidence import preserve_evidence
from tasks.function_restarts import restart_function, restarted_for
from tasks.iam_keys import (
    ask_with_key,
    deactivate_key,
    exposed_keys,
    keys_of,
    prove_dead,
    replace_key,
    stored_key_works,
    stored_reference,
)
from tasks.kinds import in_parallel

SCENARIO = "exposed-credentials"
BUDGET_SECONDS = PROMISES[SCENARIO].seconds
UNASKED = Request()
KEYS, BEFORE, SECRET, FUNCTIONS, REST = "exposed", "before", "kept_in", "functions", "rest"
"""Names of the facts in the plan: none that the redactor takes for a secret's, or the ledger forgets the value."""


@flow(name="exposed-credentials", flow_run_name="exposed-credentials in {environment.name}")
def recover(
    environment: Environment,
    run: RunId | None = None,
    secret: SecretName | None = None,
    functions: list[FunctionName] | None = None,
    repository: RepositoryAddress | None = None,
    others_revoked: bool = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Make what leaked useless, keep the evidence, and only then delete it.

    1. Look: every file of the run, archives too; whose the AWS keys are. What a scan cannot find is said.
    2. Deactivate the keys of this account, and prove each dead: calls with it are refused, three times in a row.
    3. Meanwhile keep the artifacts as evidence, encrypted, and read them back. They may be large: no key waits for it.
    4. Make a new key, and keep it in Secrets Manager at once; a lost answer never leaves a third key. Functions
       that use it begin anew.
    5. Delete the artifacts. Clean the repository's history on a new branch for review; nothing is forced.
    6. Complete the redaction settings, run the case again with redaction, and scan what it wrote.

    Other kinds of credentials, and other accounts' keys, are a person's: the report says what to do with each, and the
    incident stays open until `others_revoked` is ticked.

    Source: runbook 000, scenario 4.
    Budget: 15 minutes.

    Args:
        environment: Where the test kit ran.
        run: The run's id. Leave empty for the newest one.
        secret: Where in Secrets Manager the user's key is kept, as AccessKeyId and SecretAccessKey. Empty: no new key.
        functions: Lambda functions that use the key, and begin anew with the new one.
        repository: The Git repository whose history may hold it. Leave empty to leave Git alone.
        others_revoked: Tick when all that the report leaves to a person is done.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    leak = Leak(
        environment,
        run or "",
        repository or "",
        what="credentials",
        variable=environment.test_kit.variables.redact_keys,
        names=NEEDED_REDACTION,
    )
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: leak.finding(PROMISES[SCENARIO]),
        ladder=[
            Rung(
                name="revoke",
                decide=lambda _finding: _decide(leak, secret or "", functions or []),
                act=partial(_act, leak),
                verify=partial(_verify, leak, others_revoked=others_revoked),
                act_seconds=1800.0,
            )
        ],
        budget_seconds=BUDGET_SECONDS,
        parameters=leak.parameters,
    )


def _decide(leak: Leak, secret: str, functions: list[str]) -> Plan:
    run = leak.wanted_run()
    report, found = leak.scan(run)
    if not found:
        raise NoWayBack(f"No credentials were found in the artifacts of {run}.", hint=report.told())
    exposed = exposed_keys(leak.environment, str(leak.folder(run)))
    ours = [key for key in exposed if key.user]
    users = sorted({key.user for key in ours})
    rest = persons_work(found, exposed)
    replaced = secret if len(users) == 1 else ""
    changes = [
        Change(
            subject=f"{key.user} {key.reference}",
            before="active" if key.active else "inactive",
            after="dead",
            kind="key",
        )
        for key in ours
    ]
    if replaced:
        changes.append(
            Change(
                subject=replaced, before="the exposed key", after=f"a new key of {users[0]}", kind="secret"
            )
        )
    elif secret:
        rest = (*rest, f"keys of {len(users)} users are exposed: make each a new one by hand")
    if replaced:
        changes += [
            Change(subject=name, before="running", after="begun anew", kind="function") for name in functions
        ]
    before = {user: [key.reference for key in keys_of(leak.environment, user)] for user in users}
    return Plan(
        scenario=SCENARIO,
        environment=leak.environment.name,
        rung="revoke",
        title=f"End {len(ours)} access keys that stand in the artifacts of {run}, and clear them away",
        target=run,
        changes=(*changes, *leak.changes(run)),
        expected=("calls with the exposed keys are refused", "the next run's artifacts hold no credentials"),
        destructiveness=Destructiveness.DISRUPTIVE,
        facts=leak.facts(run)
        | {
            KEYS: json.dumps([key.model_dump() for key in ours]),
            BEFORE: json.dumps(before),
            SECRET: replaced,
            FUNCTIONS: json.dumps(functions if replaced else []),
            REST: json.dumps(rest),
        },
        reasons=(report.told(), *rest, *(f"beyond a scan: {what}" for what in BEYOND_A_SCAN)),
    )


def _keys(plan: Plan) -> list[ExposedKey]:
    return [ExposedKey.model_validate(key) for key in json.loads(plan.facts[KEYS])]


def _act(leak: Leak, plan: Plan) -> None:
    environment, folder, keys = leak.environment, str(leak.folder(plan.facts[RUN])), _keys(plan)
    in_parallel(
        [
            partial(preserve_evidence, environment, plan.facts[RUN]),
            *(partial(_end_key, environment, key, folder) for key in keys),
        ]
    )
    if plan.facts[SECRET]:
        user, exposed = keys[0].user, tuple(key.reference for key in keys)
        before = tuple(json.loads(plan.facts[BEFORE])[user])
        made = replace_key(environment, user, exposed, before, plan.facts[SECRET])
        if names := json.loads(plan.facts[FUNCTIONS]):
            in_parallel([partial(restart_function, environment, name, made.after) for name in names])
    leak.clear(plan)


def _end_key(environment: Environment, key: ExposedKey, folder: str) -> None:
    deactivate_key(environment, key.user, key.reference)
    prove_dead(environment, key.user, key.reference, folder)


def _verify(leak: Leak, plan: Plan, *, others_revoked: bool) -> Verification:
    environment, keys, checks = leak.environment, _keys(plan), list[Check]()
    facts = {
        user: {each.reference: each for each in keys_of(environment, user)} for user in {k.user for k in keys}
    }
    folder = str(leak.folder(plan.facts[RUN]))
    answers: list[Answer] = (
        in_parallel([partial(ask_with_key, environment, key.user, key.reference, folder) for key in keys])
        if keys
        else []
    )
    for key, answer in zip(keys, answers, strict=True):
        checks.append(judge_death(key, facts[key.user].get(key.reference), answer))
    if plan.facts[SECRET]:
        works = stored_key_works(environment, keys[0].user, plan.facts[SECRET])
        checks.append(judge_stored(plan.facts[SECRET], works))
        mark = stored_reference(environment, plan.facts[SECRET])
        for name in json.loads(plan.facts[FUNCTIONS]):
            checks.append(judge_restart(name, restarted_for(environment, name), mark))
    checks += leak.checks(plan)
    checks.append(judge_rest(json.loads(plan.facts[REST]), others_revoked))
    return Verification.of(checks)
