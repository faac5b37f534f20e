"""Secrets are read where they are kept, and never told."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from blocks.aws_account import AwsAccount
from blocks.secret_reference import SecretReference
from rules.errors import StepFailed

WORD = "planted-word-1234"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> AwsAccount:
    """An account with made-up credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return AwsAccount(account_id="123456789012", region="eu-west-1")


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the process."""
    monkeypatch.setenv("THE_KEY", WORD)

    assert SecretReference(source="environment", name="THE_KEY").read().get_secret_value() == WORD


def test_from_a_file(tmp_path: Path) -> None:
    """Without the line's end that editors add."""
    (tmp_path / "key").write_text(f"{WORD}\n")

    assert SecretReference(source="file", name=str(tmp_path / "key")).read().get_secret_value() == WORD


@mock_aws
def test_from_secrets_manager(account: AwsAccount) -> None:
    """The current version, also when a rotation has staged another; a field of a JSON secret by its name."""
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    made = client.create_secret(Name="prod/key", SecretString=f'{{"key": "{WORD}"}}')
    client.put_secret_value(
        SecretId=made["ARN"], SecretString='{"key": "next"}', VersionStages=["AWSPENDING"]
    )

    reference = SecretReference(source="secrets_manager", name="prod/key", field="key")

    assert reference.read(account).get_secret_value() == WORD


@mock_aws
def test_from_ssm(account: AwsAccount) -> None:
    """A parameter that is stored encrypted."""
    boto3.client("ssm", region_name="eu-west-1").put_parameter(
        Name="/prod/key", Value=WORD, Type="SecureString"
    )

    assert SecretReference(source="ssm", name="/prod/key").read(account).get_secret_value() == WORD


@mock_aws
def test_a_missing_secret_says_where_it_was_looked_for(account: AwsAccount) -> None:
    """The name is told and a hint given."""
    with pytest.raises(StepFailed, match="prod/key") as failed:
        SecretReference(source="secrets_manager", name="prod/key").read(account)

    assert failed.value.hint


@pytest.mark.parametrize("text", ["", "not json", '{"other": 1}', "[]"])
def test_what_cannot_be_used_is_never_repeated(tmp_path: Path, text: str) -> None:
    """The error names the place, not what lies there."""
    (tmp_path / "key").write_text(text)

    with pytest.raises(StepFailed) as failed:
        SecretReference(source="file", name=str(tmp_path / "key"), field="key").read()

    assert not text or text not in str(failed.value)


def test_a_secret_does_not_print_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the reference nor what it reads shows the value."""
    monkeypatch.setenv("THE_KEY", WORD)
    reference = SecretReference(source="environment", name="THE_KEY")

    assert WORD not in repr(reference) + str(reference) + repr(reference.read()) + str(reference.read())
