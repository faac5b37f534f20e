"""Making Lambda functions begin anew, so that they read their credentials again."""

from __future__ import annotations

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from tasks.kinds import action, pause, probe

VARIABLE = "BACKSTOP_CREDENTIALS"
"""Changing it ends every execution environment of a function; it says which key the new ones read."""
_LOOKS, _SECONDS = 60, 1.0


@probe
def restarted_for(environment: Environment, function: str) -> str:
    """What a function was last restarted for; empty: it never was.

    Permissions: lambda:GetFunctionConfiguration
    """
    return _variables(environment, function)[0].get(VARIABLE, "")


@action(subject="{function}")
def restart_function(environment: Environment, function: str, mark: str) -> Effect:
    """Let a function begin anew, once for each `mark`. Repeating it changes nothing.

    Its newest code does; a published version that an alias points at cannot, and is published and moved anew by a
    deployment.

    Permissions: lambda:GetFunctionConfiguration, lambda:UpdateFunctionConfiguration

    Raises:
        StepFailed: AWS did not take the change over in a minute.
    """
    variables, revision = _variables(environment, function)
    before = variables.get(VARIABLE, "")
    if before == mark:
        return Effect(subject=function, changed=False, after=f"restarted for {mark}")
    client = environment.aws.client("lambda")
    with translated(f"restart {function}"):
        # The revision: a change of somebody else's in between is not written over.
        client.update_function_configuration(
            FunctionName=function,
            Environment={"Variables": {**variables, VARIABLE: mark}},
            RevisionId=revision,
        )
        told = client.get_function_configuration(FunctionName=function)
        for _ in range(_LOOKS):
            if told.get("LastUpdateStatus", "Successful") != "InProgress":
                break
            pause(_SECONDS)
            told = client.get_function_configuration(FunctionName=function)
    if told.get("LastUpdateStatus", "Successful") != "Successful":
        raise StepFailed(
            f"{function} did not take over its configuration: {told.get('LastUpdateStatusReason', 'no reason given')}.",
            hint="Look at the function in AWS; it still runs with what it had.",
        )
    return Effect(subject=function, changed=True, before=before, after=f"restarted for {mark}")


def _variables(environment: Environment, function: str) -> tuple[dict[str, str], str]:
    with translated(f"read the configuration of {function}"):
        told = environment.aws.client("lambda").get_function_configuration(FunctionName=function)
    return dict(told.get("Environment", {}).get("Variables", {})), str(told.get("RevisionId", ""))
