"""Small backups for the tests of their stores."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

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
