"""Accounts: one client per service, as the right identity, and the SDK's errors as ours."""

from __future__ import annotations

import threading

import pytest
from botocore import exceptions
from moto import mock_aws

from blocks.aws_account import AwsAccount
from blocks.aws_errors import NotThere, translated
from blocks.secret_reference import SecretReference
from rules.errors import StepFailed, TransientFailure


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    """An account whose keys are kept in variables."""
    monkeypatch.setenv("ONE", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("TWO", "made-up")
    return AwsAccount(
        account_id="123456789012",
        region="eu-west-1",
        access_key_id=SecretReference(source="environment", name="ONE"),
        secret_access_key=SecretReference(source="environment", name="TWO"),
    )


def test_one_client_serves_every_thread(account: AwsAccount) -> None:
    """Clients are slow to make and safe to share: the same one for all who ask."""
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(account.client("sqs"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1
    assert account.client("sqs", write_once=True) is not found[0]


def test_a_call_that_must_not_be_repeated_is_sent_once(account: AwsAccount) -> None:
    """Reading is tried up to five times, with short time limits; writing once is."""
    reading, writing = account.client("sqs").meta.config, account.client("sqs", write_once=True).meta.config

    assert (reading.retries["total_max_attempts"], reading.retries["mode"]) == (5, "standard")
    assert writing.retries["total_max_attempts"] == 1
    assert (reading.connect_timeout, reading.read_timeout) == (3, 10)


def test_a_child_process_acts_as_the_same_identity(account: AwsAccount) -> None:
    """Terraform gets the credentials by its environment, with region and address."""
    variables = account.process_environment()

    assert variables["AWS_ACCESS_KEY_ID"] == "AKIAIOSFODNN7EXAMPLE"
    assert variables["AWS_REGION"] == "eu-west-1"
    assert "AWS_ENDPOINT_URL" not in variables


@mock_aws
def test_a_role_is_assumed(account: AwsAccount) -> None:
    """With a role, calls are made in the role's account."""
    other = account.model_copy(update={"role_arn": "arn:aws:iam::222222222222:role/backstop"})

    assert other.client("sts").get_caller_identity()["Account"] == "222222222222"


def answer(code: str, status: int, message: str = "") -> exceptions.ClientError:
    """An error answer of AWS."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(response, "UpdateFunctionCode")  # type: ignore[arg-type]  # a dict of the right shape


RAISED: list[tuple[Exception, type[StepFailed]]] = [
    (answer("TooManyRequestsException", 429), TransientFailure),
    (answer("InternalError", 500), TransientFailure),
    (exceptions.ReadTimeoutError(endpoint_url="http://x"), TransientFailure),
    (exceptions.EndpointConnectionError(endpoint_url="http://x"), TransientFailure),
    (answer("ResourceNotFoundException", 404), NotThere),
    (answer("AccessDeniedException", 403), StepFailed),
    (exceptions.NoCredentialsError(), StepFailed),
]


@pytest.mark.parametrize(
    ("raised", "expected"), RAISED, ids=[type(e).__name__ + str(n) for n, (e, _) in enumerate(RAISED)]
)
def test_sdk_errors_become_ours(raised: Exception, expected: type[StepFailed]) -> None:
    """Worth another try, missing, or forbidden; what was being done is told, and what to do next."""
    with (
        pytest.raises(StepFailed, match="Could not give prod-x its code") as failed,
        translated("give prod-x its code"),
    ):
        raise raised

    assert type(failed.value) is expected
    assert failed.value.hint


def test_a_forbidden_call_names_the_permission() -> None:
    """So that it can be allowed without another look at the code."""
    message = "User: x is not authorized to perform: lambda:UpdateFunctionCode on resource: y"

    with pytest.raises(StepFailed) as failed, translated("give prod-x its code"):
        raise answer("AccessDeniedException", 403, message)

    assert "lambda:UpdateFunctionCode" in failed.value.hint


@pytest.mark.parametrize("wrong", [KeyError("x"), ValueError("x")])
def test_other_errors_pass_through_whole(wrong: Exception) -> None:
    """A fault of ours is not dressed up as one of AWS."""
    with pytest.raises(type(wrong)), translated("do something"):
        raise wrong
