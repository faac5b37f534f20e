"""What tests of tasks share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from tasks._backup_bucket import BucketStore
from tasks._backup_directory import DirectoryStore
from tasks.backup_stores import Store
from tests.stored_backups import BUCKET, backup_account
from tests.tasks.lambda_service import Service

__all__ = ["backup_account"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service with a bad release live, on an AWS of this test's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield Service.deployed()


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give a test an empty store, once a folder and once a bucket."""
    if request.param == "directory":
        return DirectoryStore(tmp_path / "backups" / "masking")
    return BucketStore(request.getfixturevalue("backup_account"), BUCKET, "backups/masking")
