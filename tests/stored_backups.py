"""Small backups, and a bucket for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.aws_account import AwsAccount
from blocks.environment import Environment
from rules.backups import BackupFile, BackupKind, BackupManifest, DataFacts, new_id
from rules.redis_settings import from_answer
from rules.severity import Tier
from tasks.backup_stores import Store

BUCKET = "practice-backups"
CONTENT = b"REDIS0010"
NOW = datetime(2026, 7, 29, 14, 30, 22, tzinfo=UTC)


def manifest(second: int = 0, salt: str = "3fa2") -> BackupManifest:
    """The manifest of a backup with one file."""
    began = NOW.replace(second=second)
    return BackupManifest(
        id=new_id(BackupKind.DEPLOY, began, salt),
        environment="masking",
        project="claude",
        engine_id="ABCD",
        kind=BackupKind.DEPLOY,
        began_at=began,
        finished_at=began,
        files=(BackupFile(name="redis.rdb", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()),),
        data=DataFacts(key_count=0, counted_in="file", by_prefix={}, written_by="save"),
        redis=from_answer({}, "7.0.15"),
        images={},
    )


def made_at(moment: datetime, number: int = 0, *, critical: bool = False) -> BackupManifest:
    """The manifest of a backup that was made then; `number` tells two of a second apart."""
    name = new_id(BackupKind.SCHEDULED, moment, f"{number:04x}")
    told = {"id": name, "kind": BackupKind.SCHEDULED, "began_at": moment, "finished_at": moment}
    return manifest().model_copy(update={**told, "critical": critical})


def publish(store: Store, wanted: BackupManifest) -> None:
    """Write a backup."""
    with store.stage() as folder:
        (folder / "redis.rdb").write_bytes(CONTENT)
        store.publish(folder, wanted)


def stored_in(folder: Path, tier: Tier = Tier.STAGING, **more: object) -> Environment:
    """A Docker stack whose backups are in a folder; there is no such stack."""
    return Environment.model_validate(
        {
            "name": "masking",
            "tier": tier,
            "platform": {
                "kind": "docker_stack",
                "host": {"address": "unix:///nowhere.sock"},
                "project": "masking",
                "services": ["redis", "kong"],
                "config_file": "/nowhere/config.env",
                "redis": {},
                "gateway": {"admin_url": "http://127.0.0.1:1", "proxy_url": "http://127.0.0.1:1"},
                "backups": {"directory": str(folder), "plain": True},
            },
            **more,
        }
    )


@pytest.fixture
def backup_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsAccount]:
    """Give a test an account with a bucket that keeps versions."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    from moto import mock_aws

    with mock_aws():
        found = AwsAccount(account_id="123456789012", region="us-east-1")
        found.client("s3").create_bucket(Bucket=BUCKET)
        found.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield found
