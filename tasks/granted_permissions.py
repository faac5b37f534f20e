"""What our credentials may do and how long they last, without doing it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed
from tasks.identities import who_am_i
from tasks.kinds import probe

_ASSUMED = re.compile(r"^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/")


@probe(retries=1)
def simulated(environment: Environment, wanted: Mapping[str, Sequence[str]]) -> dict[str, bool]:
    """Ask IAM whether our role may do each action on each of its resources (ARNs).

    Permissions: iam:SimulatePrincipalPolicy, sts:GetCallerIdentity

    Raises:
        StepFailed: IAM does not tell us; that says nothing of the permissions themselves.
    """
    whose = who_am_i.fn(environment).arn
    role = _ASSUMED.sub(r"arn:\1:iam::\2:role/\3#", whose).partition("#")[0]
    client = environment.aws.client("iam")
    found: dict[str, bool] = {}
    with translated(f"ask IAM what {role} may do"):
        for action, resources in wanted.items():
            answer = client.simulate_principal_policy(
                PolicySourceArn=role, ActionNames=[action], ResourceArns=list(resources)
            )
            decisions = [
                each["EvalResourceDecision"] if "EvalResourceDecision" in each else each["EvalDecision"]
                for result in answer["EvaluationResults"]
                for each in (result.get("ResourceSpecificResults") or [result])
            ]
            if not decisions:
                raise StepFailed(f"IAM says nothing of {action}.")
            found[action] = all(decision == "allowed" for decision in decisions)
    return found


def credentials_end(environment: Environment) -> datetime | None:
    """When our credentials end, where nobody renews them; None: they do not end, or renew themselves."""
    return environment.aws.credentials_end()
