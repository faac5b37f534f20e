"""Every fault really breaks what it says, and its repair really mends it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore.config import Config

from rules.errors import RecoveryRefused, StepFailed
from sandbox import faults, reading
from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow]


@cache
def outsider(endpoint: str, service: str) -> Any:
    """An AWS client of somebody who is no part of the sandbox. It asks once."""
    return botocore.session.get_session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="outsider",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=5, connect_timeout=2),
    )


def call(box: Sandbox, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
    """One call of such a client."""
    answer: dict[str, Any] = getattr(outsider(box.addresses.aws_url, service), operation)(**arguments)
    return answer


def code(error: pytest.ExceptionInfo[botocore.exceptions.ClientError]) -> tuple[str, int]:
    """Error code and HTTP status."""
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


NAME = "prod-sentiment-dashboard"


def test_throttling_ends_after_its_number_of_calls(fresh_sandbox: Sandbox) -> None:
    """Six calls are refused on the wire as AWS refuses them, the seventh is answered; the sandbox itself is spared."""
    faults.start(fresh_sandbox, "throttling")

    for _ in range(6):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            call(fresh_sandbox, "lambda", "get_function", FunctionName=NAME)
        assert code(error) == ("TooManyRequestsException", 429)
        assert fresh_sandbox.client("lambda").get_function(FunctionName=NAME)
    assert call(fresh_sandbox, "lambda", "get_function", FunctionName=NAME)


def test_a_lost_reply_was_acted_upon(fresh_sandbox: Sandbox) -> None:
    """The caller hears nothing, the code is changed."""
    before = reading.read(fresh_sandbox.home, "prod")
    faults.start(fresh_sandbox, "lost-reply")

    with pytest.raises(botocore.exceptions.HTTPClientError):
        call(
            fresh_sandbox,
            "lambda",
            "update_function_code",
            FunctionName=NAME,
            S3Bucket="prod-sentiment-deployments",
            S3Key=f"dashboard/lambda-{fresh_sandbox.release(1)}.zip",
        )

    after = reading.read(fresh_sandbox.home, "prod")
    assert after.functions[NAME].code_sha256 != before.functions[NAME].code_sha256
    assert after.functions[NAME].served_sha256 == before.functions[NAME].served_sha256


def test_an_unreadable_secret_makes_the_service_unhealthy(fresh_sandbox: Sandbox) -> None:
    """Callers get AccessDeniedException, and so does the dashboard, which then says that it is unhealthy."""
    faults.start(fresh_sandbox, "secret-unreadable")

    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(fresh_sandbox, "secretsmanager", "get_secret_value", SecretId="prod/sentiment/dashboard-api-key")

    assert code(error) == ("AccessDeniedException", 400)
    alarm = f"{NAME}-errors"
    fresh_sandbox.wait_for(lambda: fresh_sandbox.alarm_states("prod")[alarm] == "ALARM", "the alarm fires")
    assert not reading.read(fresh_sandbox.home, "prod").functions[NAME].healthy

    faults.repair_all(fresh_sandbox)

    fresh_sandbox.wait_until_green("prod")


def test_aws_that_is_down_answers_nobody(fresh_sandbox: Sandbox) -> None:
    """Every service hangs up, and answers again once repaired."""
    faults.start(fresh_sandbox, "aws-down")
    for service, operation in (
        ("sts", "get_caller_identity"),
        ("s3", "list_buckets"),
        ("cloudwatch", "describe_alarms"),
    ):
        with pytest.raises(botocore.exceptions.HTTPClientError):
            call(fresh_sandbox, service, operation)

    assert faults.repair_all(fresh_sandbox) == ["aws-down"]

    assert call(fresh_sandbox, "sts", "get_caller_identity")["Account"] == "123456789012"


def test_wrong_credentials_lead_to_another_account(fresh_sandbox: Sandbox) -> None:
    """STS names another account, which is empty; the service goes on, and Terraform refuses the account."""
    faults.start(fresh_sandbox, "wrong-account")

    assert call(fresh_sandbox, "sts", "get_caller_identity")["Account"] == "222222222222"
    assert call(fresh_sandbox, "lambda", "list_functions")["Functions"] == []
    assert reading.read(fresh_sandbox.home, "prod").healthy
    with pytest.raises(StepFailed):
        fresh_sandbox.deploy("prod", 1)


def test_a_held_lock_stops_terraform(fresh_sandbox: Sandbox) -> None:
    """Terraform names the holder and changes nothing; once released it works."""
    before = reading.read(fresh_sandbox.home, "prod")
    faults.start(fresh_sandbox, "held-terraform-lock")
    held = reading.read(fresh_sandbox.home, "prod")
    assert json.loads(held.lock)["Who"] == "runner@build-7"

    with pytest.raises(StepFailed, match=r"Error acquiring the state lock"):
        fresh_sandbox.deploy("prod", 1, lock_seconds=0)
    assert reading.read(fresh_sandbox.home, "prod") == held

    faults.repair(fresh_sandbox, "held-terraform-lock")
    assert reading.read(fresh_sandbox.home, "prod") == before


def test_terraform_without_its_provider_fails(fresh_sandbox: Sandbox) -> None:
    """Every Terraform run fails at once, and works after the repair."""
    faults.start(fresh_sandbox, "terraform-broken")
    with pytest.raises(StepFailed, match=r"(?s)init failed: .*hashicorp/aws"):
        fresh_sandbox.deploy("prod", 1)

    faults.repair(fresh_sandbox, "terraform-broken")

    fresh_sandbox.deploy("prod", 2)


def test_terraform_denied_leaves_half_a_deployment(fresh_sandbox: Sandbox) -> None:
    """The apply fails at the code, having changed settings before; a direct call is not refused."""
    faults.start(fresh_sandbox, "terraform-denied")

    with pytest.raises(
        StepFailed, match=r"operation error Lambda: UpdateFunctionCode.*AccessDeniedException"
    ):
        fresh_sandbox.deploy("prod", 1)

    found = reading.read(fresh_sandbox.home, "prod").functions[NAME]
    assert found.memory == 256
    assert found.answering_release == fresh_sandbox.release(2)
    package = {
        "S3Bucket": "prod-sentiment-deployments",
        "S3Key": f"dashboard/lambda-{fresh_sandbox.release(1)}.zip",
    }
    assert call(fresh_sandbox, "lambda", "update_function_code", FunctionName=NAME, **package)


def test_an_alarm_without_data_is_not_green(fresh_sandbox: Sandbox) -> None:
    """The dashboard's alarm becomes INSUFFICIENT_DATA, and OK again after the repair."""
    faults.start(fresh_sandbox, "alarm-without-data")
    alarm = f"{NAME}-errors"
    fresh_sandbox.wait_for(
        lambda: fresh_sandbox.alarm_states("prod")[alarm] == "INSUFFICIENT_DATA", "no data"
    )

    faults.repair(fresh_sandbox, "alarm-without-data")

    fresh_sandbox.wait_until_green("prod")


@pytest.mark.parametrize("name", ["missing-package", "wrong-package-bytes"])
def test_packages_are_broken_and_restored(fresh_sandbox: Sandbox, name: str) -> None:
    """The package of release 2 is gone or another one; the repair puts the same bytes back."""
    before = reading.read(fresh_sandbox.home, "prod")
    key = f"dashboard/lambda-{fresh_sandbox.release(2)}.zip"
    faults.start(fresh_sandbox, name)
    broken = reading.read(fresh_sandbox.home, "prod")
    assert set(before.differences(broken)) == {f"packages.{key}"}

    faults.repair(fresh_sandbox, name)

    assert reading.read(fresh_sandbox.home, "prod") == before


def test_code_swapped_past_terraform_breaks_the_service(fresh_sandbox: Sandbox) -> None:
    """The dashboard runs release 3's code while Terraform's state and the function's tag still say release 2."""
    before = reading.read(fresh_sandbox.home, "prod")
    faults.start(fresh_sandbox, "dashboard-code")
    broken = reading.read(fresh_sandbox.home, "prod")
    assert not broken.functions[NAME].healthy
    assert broken.functions[NAME].tagged_release == fresh_sandbox.release(2)
    assert broken.state_sha256 == before.state_sha256

    faults.repair(fresh_sandbox, "dashboard-code")

    assert (
        reading.read(fresh_sandbox.home, "prod").functions[NAME].served_sha256
        == before.functions[NAME].served_sha256
    )


def test_an_unknown_fault_is_refused(fresh_sandbox: Sandbox) -> None:
    """The error names the faults there are."""
    with pytest.raises(RecoveryRefused, match="bad-release"):
        faults.start(fresh_sandbox, "meteor")


def test_every_fault_says_what_it_does() -> None:
    """Names are for command lines, descriptions are sentences."""
    for name, fault in faults.FAULTS.items():
        assert name == fault.name
        assert fault.description.endswith(".")
