"""How each fault is made and undone."""

from __future__ import annotations

import json
import shutil
import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox import terraform_binary
from sandbox.aws_front import Rule, change_rules
from sandbox.places import ALIAS, EXECUTION, FOREIGN_ACCOUNT, LOCK_TABLE
from sandbox.world import Sandbox

GOOD, BAD = 2, 3
"""Numbers of the releases that faults go between."""

_DENIED = "User: arn:aws:iam::123456789012:user/deployer is not authorized to perform: {} on the resource"

ON_THE_WIRE: dict[str, tuple[str, tuple[Rule, ...]]] = {
    "throttling": (
        "AWS refuses the next 6 Lambda calls: too many requests.",
        (
            Rule(
                "lambda.*",
                "error",
                times=6,
                code="TooManyRequestsException",
                status=429,
                message="Rate exceeded",
            ),
        ),
    ),
    "server-errors": (
        "The next 4 Lambda calls end with 503.",
        (
            Rule(
                "lambda.*", "error", times=4, code="ServiceException", status=503, message="Please try again"
            ),
        ),
    ),
    "lost-reply": (
        "AWS does what the next change of a function's code asks, and its answer is lost.",
        (Rule("lambda.UpdateFunctionCode", "lose-reply", times=1),),
    ),
    "slow-aws": (
        "Every call takes a second longer.",
        (Rule("*", "delay", seconds=1.0, spares=EXECUTION),),
    ),
    "secret-unreadable": (
        "Nobody may read secrets any more, the service included.",
        (
            Rule(
                "secretsmanager.GetSecretValue",
                "error",
                code="AccessDeniedException",
                message=_DENIED.format("secretsmanager:GetSecretValue"),
            ),
        ),
    ),
    "function-changes-denied": (
        "Nobody may change a function's code any more: neither Terraform nor a direct call can roll back.",
        (
            Rule(
                "lambda.UpdateFunctionCode",
                "error",
                code="AccessDeniedException",
                status=403,
                message=_DENIED.format("lambda:UpdateFunctionCode"),
            ),
        ),
    ),
    "terraform-denied": (
        "Terraform may not change a function's code any more: its apply fails half way. Direct calls work.",
        (
            Rule(
                "lambda.UpdateFunctionCode",
                "error",
                code="AccessDeniedException",
                status=403,
                message=_DENIED.format("lambda:UpdateFunctionCode"),
                agent="terraform-provider-aws",
            ),
        ),
    ),
    "aws-down": (
        "AWS hangs up on everybody before doing anything.",
        (Rule("*", "drop"),),
    ),
    "wrong-account": (
        "The credentials belong to another, empty account.",
        (Rule("*", "account", account=FOREIGN_ACCOUNT, spares=EXECUTION),),
    ),
}
"""Faults between callers and AWS: description and rules."""


def with_rules(name: str, *rules: Rule) -> Callable[[Sandbox, str], None]:
    """Break the wires by rules."""

    def act(sandbox: Sandbox, environment: str) -> None:
        def change(now: list[Rule]) -> list[Rule]:
            fresh = [
                Rule(**{key: getattr(rule, key) for key in Rule.__slots__} | {"name": name}) for rule in rules
            ]
            return [rule for rule in now if rule.name != name] + fresh

        change_rules(sandbox.home.faults, change)

    return act


def without_rules(name: str) -> Callable[[Sandbox, str], None]:
    """Mend the wires."""

    def act(sandbox: Sandbox, environment: str) -> None:
        change_rules(sandbox.home.faults, lambda now: [rule for rule in now if rule.name != name])

    return act


def deploy_bad_release(sandbox: Sandbox, environment: str) -> None:
    """As the pipeline would."""
    sandbox.deploy(environment, BAD)


def deploy_good_release(sandbox: Sandbox, environment: str) -> None:
    """As the pipeline would."""
    sandbox.deploy(environment, GOOD)


def swap_dashboard_code(sandbox: Sandbox, environment: str) -> None:
    """Somebody in a hurry runs update-function-code and moves the alias."""
    _put_dashboard(sandbox, environment, sandbox.release(BAD))


def restore_dashboard_code(sandbox: Sandbox, environment: str) -> None:
    """Back to what Terraform deployed, as the function's tag says."""
    name = sandbox.place(environment).function("dashboard")
    _put_dashboard(
        sandbox, environment, sandbox.client("lambda").get_function(FunctionName=name)["Tags"]["release"]
    )


def _put_dashboard(sandbox: Sandbox, environment: str, release: str) -> None:
    place, aws = sandbox.place(environment), sandbox.client("lambda")
    name = place.function("dashboard")
    key = f"dashboard/lambda-{release}.zip"
    version = aws.update_function_code(FunctionName=name, S3Bucket=place.bucket, S3Key=key, Publish=True)[
        "Version"
    ]
    aws.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)


def _package_key(sandbox: Sandbox) -> str:
    return f"dashboard/lambda-{sandbox.release(GOOD)}.zip"


def remove_package(sandbox: Sandbox, environment: str) -> None:
    """The target's package is gone."""
    sandbox.client("s3").delete_object(Bucket=sandbox.place(environment).bucket, Key=_package_key(sandbox))


def garble_package(sandbox: Sandbox, environment: str) -> None:
    """The target's package is another one: the bytes of the release before."""
    other = sandbox.home.packages / "dashboard" / f"lambda-{sandbox.release(1)}.zip"
    sandbox.client("s3").put_object(
        Bucket=sandbox.place(environment).bucket, Key=_package_key(sandbox), Body=other.read_bytes()
    )


def restore_package(sandbox: Sandbox, environment: str) -> None:
    """The package as it was built."""
    key = _package_key(sandbox)
    body = (sandbox.home.packages / key).read_bytes()
    sandbox.client("s3").put_object(Bucket=sandbox.place(environment).bucket, Key=key, Body=body)


def hold_lock(sandbox: Sandbox, environment: str) -> None:
    """A lock as Terraform writes it, by a build server."""
    _lock(sandbox, environment, "runner@build-7", datetime.now(UTC) - timedelta(minutes=4))


def abandon_lock(sandbox: Sandbox, environment: str) -> None:
    """A lock as a Terraform of this machine left it when it was killed."""
    _lock(sandbox, environment, f"root@{socket.gethostname()}", datetime.now(UTC) - timedelta(hours=1))


def _lock(sandbox: Sandbox, environment: str, who: str, created: datetime) -> None:
    place = sandbox.place(environment)
    info = {
        "ID": str(uuid.uuid4()),
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": who,
        "Version": "1.11.4",
        "Created": created.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
        "Path": place.lock_id,
    }
    item = {"LockID": {"S": place.lock_id}, "Info": {"S": json.dumps(info, separators=(",", ":"))}}
    sandbox.client("dynamodb").put_item(TableName=LOCK_TABLE, Item=item)


def release_lock(sandbox: Sandbox, environment: str) -> None:
    """Nobody holds it."""
    key = {"LockID": {"S": sandbox.place(environment).lock_id}}
    sandbox.client("dynamodb").delete_item(TableName=LOCK_TABLE, Key=key)


def remove_provider(sandbox: Sandbox, environment: str) -> None:
    """The mirror is empty, and installed copies of the provider are links into it."""
    shutil.rmtree(sandbox.home.mirror, ignore_errors=True)
    sandbox.home.mirror.mkdir()


def restore_provider(sandbox: Sandbox, environment: str) -> None:
    """The mirror as it was."""
    terraform_binary.write_provider_mirror(sandbox.home)


def silence_alarm(sandbox: Sandbox, environment: str) -> None:
    """No data for the dashboard's alarm."""
    sandbox.home.silenced.write_text(
        f"{sandbox.place(environment).function('dashboard')}-errors\n", encoding="utf-8"
    )


def unsilence_alarms(sandbox: Sandbox, environment: str) -> None:
    """Data for every alarm."""
    sandbox.home.silenced.unlink(missing_ok=True)


def disable_alarm_actions(sandbox: Sandbox, environment: str) -> None:
    """Every alarm of the environment."""
    sandbox.client("cloudwatch").disable_alarm_actions(AlarmNames=list(sandbox.alarm_states(environment)))


def enable_alarm_actions(sandbox: Sandbox, environment: str) -> None:
    """Every alarm of the environment."""
    sandbox.client("cloudwatch").enable_alarm_actions(AlarmNames=list(sandbox.alarm_states(environment)))
