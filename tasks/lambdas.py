"""Lambda functions: what their callers get, and how that is changed."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from blocks.platforms import LambdaFunction
from rules.errors import StepFailed, TransientFailure
from rules.health import RunningCode, short
from rules.outcomes import Effect
from tasks.kinds import action, in_parallel, pause, probe
from tasks.release_packages import Package, is_still

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

_POLL_SECONDS = 1.0
_MOST_POLLS = 60


@probe
def live_code(environment: Environment, function: str) -> RunningCode:
    """What callers of a function really get: the code of the version its alias points at.

    Permissions: lambda:GetAlias, lambda:GetFunctionConfiguration
    """
    client = environment.aws.client("lambda")
    alias = environment.lambda_platform.function(function).alias
    with translated(f"read the live code of {function}"):
        if alias is None:
            return _running(function, client.get_function_configuration(FunctionName=function))
        points = client.get_alias(FunctionName=function, Name=alias)
        version = points["FunctionVersion"]
        seen = client.get_function_configuration(FunctionName=function, Qualifier=version)
    return _running(function, seen, points.get("RoutingConfig", {}).get("AdditionalVersionWeights") or {})


def _running(
    function: str, seen: FunctionConfigurationResponseTypeDef, also: dict[str, float] | None = None
) -> RunningCode:
    return RunningCode(
        function=function,
        sha256=_hexadecimal(seen["CodeSha256"]),
        version=seen["Version"],
        size=seen.get("CodeSize", 0),
        settled=seen.get("LastUpdateStatus", "Successful") != "InProgress",
        active=seen.get("State", "Active") in ("Active", "Inactive")
        and seen.get("LastUpdateStatus", "Successful") != "Failed",
        also=also or {},
    )


def all_live_code(environment: Environment) -> list[RunningCode]:
    """The live code of every function of the platform, read at the same time."""
    return in_parallel(
        [partial(live_code, environment, f.name) for f in environment.lambda_platform.functions]
    )


@action(subject="{function}")
def set_function_code(environment: Environment, function: str, package: Package) -> Effect:
    """Give a function a package's code. Repeating it changes nothing.

    Callers of an alias do not see it before `move_alias`.

    Permissions: lambda:GetFunctionConfiguration, lambda:UpdateFunctionCode, s3:GetObject

    Raises:
        StepFailed: the package is gone or holds other bytes than were checked; nothing was changed.
    """
    client = environment.aws.client("lambda")
    with translated(f"read {function}"):
        now = client.get_function_configuration(FunctionName=function)
    before = _hexadecimal(now["CodeSha256"])
    if before == package.sha256:
        return Effect(
            subject=function,
            changed=False,
            before=short(before),
            after=short(before),
            detail="had this code already",
        )
    # Lambda stand-ins accept a key that is not there, and AWS takes whatever lies under it by now.
    if not is_still(environment, package):
        raise StepFailed(
            f"The package {package.key} is not the one that was checked: {function} was left alone.",
            hint="Somebody replaced or deleted it since the plan was made. Find out who, then start again.",
        )
    with translated(f"give {function} the code of {package.release}"):
        answer = client.update_function_code(
            FunctionName=function, S3Bucket=package.bucket, S3Key=package.key
        )
    after = _hexadecimal(answer["CodeSha256"])
    if after != package.sha256:
        raise StepFailed(
            f"{function} has code {short(after)} now, not {short(package.sha256)} of {package.release}.",
            hint="The package was replaced while it was deployed. Do not trust this release.",
        )
    if answer.get("LastUpdateStatus") == "InProgress":
        _wait_until_settled(client, function)
    return Effect(
        subject=function, changed=True, before=short(before), after=short(after), detail=package.release
    )


@action(subject="{function}")
def move_alias(environment: Environment, function: str, package: Package) -> Effect:
    """Let the callers of a function's alias get a package's code, all of them. Repeating it changes nothing.

    Permissions: lambda:GetAlias, lambda:PublishVersion, lambda:UpdateAlias
    """
    alias = environment.lambda_platform.function(function).alias
    if alias is None:
        return Effect(subject=function, changed=False, detail="its callers use no alias")
    client = environment.aws.client("lambda")
    subject = f"{function}:{alias}"
    with translated(f"publish {function}"):
        # Publishing code that is published already answers with that version. The hash guards against a newer one.
        version = client.publish_version(FunctionName=function, CodeSha256=_base64(package.sha256))
        points = client.get_alias(FunctionName=function, Name=alias)
    if _hexadecimal(version["CodeSha256"]) != package.sha256:
        raise StepFailed(
            f"{function} does not have the code of {package.release}: its alias was left alone.",
            hint="Somebody else is deploying to this function at the moment.",
        )
    number, before = version["Version"], points["FunctionVersion"]
    if before == number and not points.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
        return Effect(
            subject=subject, changed=False, before=before, after=number, detail="pointed there already"
        )
    with translated(f"move the alias {alias} of {function}"):
        client.update_alias(
            FunctionName=function,
            Name=alias,
            FunctionVersion=number,
            RoutingConfig={"AdditionalVersionWeights": {}},
            RevisionId=points["RevisionId"],
        )
    return Effect(subject=subject, changed=True, before=f"version {before}", after=f"version {number}")


def function_url(environment: Environment, function: LambdaFunction) -> str:
    """The address of a function's URL, or of its alias's; without a slash at the end.

    Permissions: lambda:GetFunctionUrlConfig
    """
    client = environment.aws.client("lambda")
    with translated(f"read the URL of {function.name}"):
        if function.alias:
            answer = client.get_function_url_config(FunctionName=function.name, Qualifier=function.alias)
        else:
            answer = client.get_function_url_config(FunctionName=function.name)
    return answer["FunctionUrl"].rstrip("/")


def _wait_until_settled(client: LambdaClient, function: str) -> None:
    for _ in range(_MOST_POLLS):
        with translated(f"wait for the update of {function}"):
            seen = client.get_function_configuration(FunctionName=function)
        status = seen.get("LastUpdateStatus", "Successful")
        if status == "Successful":
            return
        if status == "Failed":
            reason = seen.get("LastUpdateStatusReason", "no reason given")
            raise StepFailed(
                f"The update of {function} failed: {reason}.", hint="Look at the function in AWS."
            )
        pause(_POLL_SECONDS)
    raise TransientFailure(f"The update of {function} is still in progress after {_MOST_POLLS} s.")


def _hexadecimal(code_sha256: str) -> str:
    return base64.b64decode(code_sha256).hex()


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


__all__ = ["NotThere", "all_live_code", "function_url", "live_code", "move_alias", "set_function_code"]
