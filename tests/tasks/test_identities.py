"""Whose credentials these are, read from the account itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from blocks.aws_account import AwsAccount
from rules.errors import BackstopError
from tasks.identities import who_am_i
from tests.switchboard import make_environment


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def aws() -> Iterator[None]:
    """Moto in place of AWS."""
    with mock_aws():
        yield


def test_the_account_says_who_we_are(aws: None) -> None:
    """Account, region and ARN come from STS, not from the environment's file."""
    other = AwsAccount(account_id="999999999999", region="eu-west-1")

    seen = who_am_i(make_environment(account=other))

    assert (seen.account, seen.region) == ("123456789012", "eu-west-1")
    assert seen.arn.startswith("arn:aws:sts::123456789012:")


def test_an_account_out_of_reach_is_one_clear_error() -> None:
    """No answer from STS is our error with what was tried, and tells no credential."""
    nowhere = AwsAccount(account_id="123456789012", region="us-east-1", endpoint_url="http://127.0.0.1:9")

    with pytest.raises(BackstopError, match="whose credentials these are") as failed:
        who_am_i.fn(make_environment(account=nowhere))

    assert "testing" not in str(failed.value)
