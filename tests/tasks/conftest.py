"""What tests of tasks share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from blocks.aws_account import AwsAccount
from tasks._backup_bucket import BucketStore
from tasks._backup_directory import DirectoryStore
from tasks.backup_stores import Store
from tests.tasks.lambda_service import Service
from tests.tasks.stored_backups import BUCKET


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service with a bad release live, on an AWS of this test's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Service.deployed()


@pytest.fixture
def backup_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    """Give a test an account with a bucket that keeps versions."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        found = AwsAccount(account_id="123456789012", region="us-east-1")
        found.client("s3").create_bucket(Bucket=BUCKET)
        found.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield found


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give a test an empty store, once a folder and once a bucket."""
    if request.param == "directory":
        return DirectoryStore(tmp_path / "backups" / "masking")
    return BucketStore(request.getfixturevalue("backup_account"), BUCKET, "backups/masking")
