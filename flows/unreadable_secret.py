"""Unreadable secret: AccessDeniedException or ResourceNotFoundException where a secret is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from prefect import flow

from blocks.environment import Environment
from flows._incident import handle
from flows._ladder import Request, Rung
from rules.errors import NoWayBack
from rules.names import SecretName
from rules.outcomes import Finding, Outcome, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.secret_faults import Fault, SecretDiagnosis, diagnose_secret, judge_secret
from tasks.stored_secrets import restore_secret, secret_facts

SCENARIO = "unreadable-secret"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()


@flow(name="unreadable-secret", flow_run_name="unreadable-secret in {environment.name}: {secret}")
def recover(
    environment: Environment,
    secret: SecretName,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Find out why a secret cannot be read, and bring it back where it was only scheduled for deletion.

    1. Look, without showing it: does it exist, is it scheduled for deletion, has it a current version, is reading it
       allowed, was its value changed lately.
    2. Only a scheduled deletion is taken back here. Policies, names and half a rotation are a person's: the report
       says which of them it is, what the refused permission is called, and what to do.
    3. Prove it: the secret is really read, and thrown away.

    Source: runbook 001, «Secrets Not Accessible».
    Budget: 5 minutes.

    Args:
        environment: Whose account keeps the secret.
        secret: Its name or ARN in Secrets Manager.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: _detect(environment, secret),
        ladder=[
            Rung(
                name="restore",
                decide=lambda _finding: _decide(environment, secret),
                act=partial(_act, environment),
                verify=partial(_verify, environment),
            )
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"secret": secret},
    )


def _detect(environment: Environment, secret: str) -> Finding:
    health, found = _looked(environment, secret)
    told = f"{found.reason}. {found.hint}" if found.hint else found.reason
    return Finding(health=health, severity=PROMISE.severity, summary=told)


def _looked(environment: Environment, secret: str) -> tuple[Verification, SecretDiagnosis]:
    facts = secret_facts(environment, secret)
    found = diagnose_secret(facts, datetime.now(UTC))
    return Verification.of([judge_secret(facts, found)]), found


def _decide(environment: Environment, secret: str) -> Plan:
    _, found = _looked(environment, secret)
    if found.fault is not Fault.SCHEDULED_FOR_DELETION:
        raise NoWayBack(f"{found.reason}. {found.hint}", hint=found.hint)
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="restore",
        title=f"Take the secret {secret} back from its deletion",
        target=secret,
        changes=(Change(subject=secret, before="scheduled for deletion", after="kept", kind="secret"),),
        expected=(f"{secret} can be read",),
        reasons=(found.reason,),
    )


def _act(environment: Environment, plan: Plan) -> None:
    restore_secret(environment, plan.target)


def _verify(environment: Environment, plan: Plan) -> Verification:
    health, _ = _looked(environment, plan.target)
    return health
