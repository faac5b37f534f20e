"""How each fault that is no matter of the wires is made and undone."""

from __future__ import annotations

import json
import shutil
import socket
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rules.errors import StepFailed
from sandbox import terraform_binary
from sandbox.aws_front import Rule, change_rules
from sandbox.places import ALIAS, LOCK_TABLE, STATE_BUCKET
from sandbox.world import Sandbox

GOOD, BAD = 2, 3
"""Numbers of the releases that faults go between."""


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


def delete_secret(sandbox: Sandbox, environment: str) -> None:
    """Somebody cleaned up, with AWS's week of grace."""
    client, name = sandbox.client("secretsmanager"), sandbox.place(environment).secret
    if "DeletedDate" not in client.describe_secret(SecretId=name):
        client.delete_secret(SecretId=name, RecoveryWindowInDays=7)


def restore_secret(sandbox: Sandbox, environment: str) -> None:
    """As it was."""
    sandbox.client("secretsmanager").restore_secret(SecretId=sandbox.place(environment).secret)


def fail_rollback(sandbox: Sandbox, environment: str) -> None:
    """Release 3 is live; the rollback from it sets the code, and the dashboard's callers stay with release 3."""
    sandbox.deploy(environment, BAD)
    _deploy_half(sandbox, environment, GOOD)


def deploy_half(sandbox: Sandbox, environment: str) -> None:
    """Terraform sets new code everywhere, and may then not move the dashboard's alias: its callers stay behind."""
    _deploy_half(sandbox, environment, BAD)


def _deploy_half(sandbox: Sandbox, environment: str, release: int) -> None:
    name = "half-deployed"
    denied = Rule(
        "lambda.UpdateAlias",
        "error",
        code="AccessDeniedException",
        status=403,
        message="not authorized to perform: lambda:UpdateAlias",
        agent="terraform-provider-aws",
        name=name,
    )
    change_rules(sandbox.home.faults, lambda now: [*now, denied])
    try:
        sandbox.deploy(environment, release)
    except StepFailed:
        pass  # as it should
    finally:
        change_rules(sandbox.home.faults, lambda now: [rule for rule in now if rule.name != name])


def lose_state(sandbox: Sandbox, environment: str) -> None:
    """As after a first apply that was killed before it wrote: everything exists, and the state knows nothing."""
    place, s3 = sandbox.place(environment), sandbox.client("s3")
    kept = _kept_state(sandbox, environment)
    if not kept.exists():
        kept.write_bytes(s3.get_object(Bucket=STATE_BUCKET, Key=place.state_key)["Body"].read())
    s3.delete_object(Bucket=STATE_BUCKET, Key=place.state_key)
    _forget_digest(sandbox, environment)


def find_state(sandbox: Sandbox, environment: str) -> None:
    """The state as it was, where nobody has made a new one."""
    kept, place, s3 = _kept_state(sandbox, environment), sandbox.place(environment), sandbox.client("s3")
    if not kept.exists():
        return
    found = s3.list_objects_v2(Bucket=STATE_BUCKET, Prefix=place.state_key).get("KeyCount")
    if not found:
        s3.put_object(Bucket=STATE_BUCKET, Key=place.state_key, Body=kept.read_bytes())
        _forget_digest(sandbox, environment)
    kept.unlink()


def _kept_state(sandbox: Sandbox, environment: str) -> Path:
    return sandbox.home.path / "run" / f"state-{environment}.json"


def _forget_digest(sandbox: Sandbox, environment: str) -> None:
    key = {"LockID": {"S": f"{sandbox.place(environment).lock_id}-md5"}}
    sandbox.client("dynamodb").delete_item(TableName=LOCK_TABLE, Key=key)


def _stuck_alarm(sandbox: Sandbox, environment: str) -> str:
    return f"{sandbox.place(environment).alarm_prefix}retired-checks"


def stick_alarm(sandbox: Sandbox, environment: str) -> None:
    """An alarm that ignores missing data, in ALARM, and no data."""
    name, client = _stuck_alarm(sandbox, environment), sandbox.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="Sentiment/Retired",
        MetricName="FailedChecks",
        Statistic="Sum",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=1,
        Period=10,
        EvaluationPeriods=2,
        TreatMissingData="ignore",
        AlarmActions=[sandbox.place(environment).topic],
    )
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="2 datapoints were not below 1")


def remove_stuck_alarm(sandbox: Sandbox, environment: str) -> None:
    """As if it had never been."""
    sandbox.client("cloudwatch").delete_alarms(AlarmNames=[_stuck_alarm(sandbox, environment)])


def disable_alarm_actions(sandbox: Sandbox, environment: str) -> None:
    """Every alarm of the environment."""
    sandbox.client("cloudwatch").disable_alarm_actions(AlarmNames=list(sandbox.alarm_states(environment)))


def enable_alarm_actions(sandbox: Sandbox, environment: str) -> None:
    """Every alarm of the environment."""
    sandbox.client("cloudwatch").enable_alarm_actions(AlarmNames=list(sandbox.alarm_states(environment)))
