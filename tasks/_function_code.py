"""Changing the code of a Lambda function: each call looks first, so that repeating it changes nothing."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.health import short
from rules.outcomes import Effect
from tasks.kinds import pause
from tasks.release_packages import Package, is_still

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

_POLL_SECONDS = 1.0
_MOST_POLLS = 60


def give_code(environment: Environment, function: str, package: Package) -> Effect:
    """Give a function a package's code; callers of an alias do not see it yet.

    Raises:
        StepFailed: the package is gone or holds other bytes than were checked; nothing was changed.
    """
    client = environment.aws.client("lambda")
    with translated(f"read {function}"):
        now = client.get_function_configuration(FunctionName=function)
    before = hexadecimal(now["CodeSha256"])
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
    after = hexadecimal(answer["CodeSha256"])
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


def point_alias(environment: Environment, function: str, package: Package) -> Effect:
    """Let the callers of a function's alias get a package's code, all of them."""
    alias = environment.lambda_platform.function(function).alias
    if alias is None:
        return Effect(subject=function, changed=False, detail="its callers use no alias")
    client = environment.aws.client("lambda")
    subject = f"{function}:{alias}"
    with translated(f"publish {function}"):
        # Publishing code that is published already answers with that version. The hash guards against a newer one.
        version = client.publish_version(FunctionName=function, CodeSha256=_base64(package.sha256))
        points = client.get_alias(FunctionName=function, Name=alias)
    if hexadecimal(version["CodeSha256"]) != package.sha256:
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


def hexadecimal(code_sha256: str) -> str:
    """A hash as we write it, of one as AWS writes it."""
    return base64.b64decode(code_sha256).hex()


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
