"""Lambda functions: what their callers get, and how that is changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from blocks.platforms import LambdaFunction
from rules.health import RunningCode
from rules.outcomes import Effect
from tasks._function_code import give_code, hexadecimal, point_alias
from tasks.kinds import action, in_parallel, probe
from tasks.release_packages import Package

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef


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
        sha256=hexadecimal(seen["CodeSha256"]),
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
    return give_code(environment, function, package)


@action(subject="{function}")
def move_alias(environment: Environment, function: str, package: Package) -> Effect:
    """Let the callers of a function's alias get a package's code, all of them. Repeating it changes nothing.

    Permissions: lambda:GetAlias, lambda:PublishVersion, lambda:UpdateAlias
    """
    return point_alias(environment, function, package)


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


__all__ = ["NotThere", "all_live_code", "function_url", "live_code", "move_alias", "set_function_code"]
