"""A folder and a bucket keep backups alike: whole or not at all, and nothing outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.aws_account import AwsAccount
from blocks.settings import settings
from rules.backups import MANIFEST
from rules.errors import RecoveryRefused, StepFailed
from tasks._backup_bucket import BucketStore
from tasks._backup_directory import DirectoryStore
from tasks.backup_stores import Store
from tests.stored_backups import BUCKET, CONTENT, manifest, publish


def test_what_was_published_comes_back(store: Store, tmp_path: Path) -> None:
    """Newest first, manifests and files as they were written."""
    for second in (1, 3, 2):
        publish(store, manifest(second))

    assert store.ids() == [manifest(second).id for second in (3, 2, 1)]
    assert store.manifest(manifest(2).id) == manifest(2)
    store.fetch(manifest(2).id, "redis.rdb", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_what_was_not_published_is_not_there(store: Store) -> None:
    """An error while writing leaves no backup and no files."""
    with pytest.raises(ZeroDivisionError), store.stage() as folder:
        (folder / "redis.rdb").write_bytes(CONTENT)
        raise ZeroDivisionError

    assert store.ids() == []
    assert not folder.exists()
    with pytest.raises(RecoveryRefused, match="There is no backup"):
        store.manifest(manifest().id)


def test_a_name_is_given_once(store: Store, tmp_path: Path) -> None:
    """A second backup of the same name is refused, and the first one stays as it was."""
    publish(store, manifest())

    with pytest.raises(StepFailed, match="already"):
        publish(store, manifest())

    store.fetch(manifest().id, "redis.rdb", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["../masking/20260729-143000-deploy-3fa2", "/etc", "..", ""])
def test_no_name_leads_outside(store: Store, tmp_path: Path, name: str) -> None:
    """A name that is none is refused before anything is looked at."""
    publish(store, manifest())

    with pytest.raises(RecoveryRefused, match="cannot be the name"):
        store.manifest(name)
    with pytest.raises(RecoveryRefused, match="cannot be the name"):
        store.fetch(name, "redis.rdb", tmp_path / "copy")
    with pytest.raises(KeyError):
        store.fetch(manifest().id, "../../secret", tmp_path / "copy")


def test_a_manifest_of_another_backup_is_refused(tmp_path: Path) -> None:
    """A folder that was copied under another name does not pass for a backup of that time."""
    store = DirectoryStore(tmp_path / "masking")
    publish(store, manifest(1))
    (tmp_path / "masking" / manifest(1).id).rename(tmp_path / "masking" / manifest(2).id)

    with pytest.raises(RecoveryRefused, match="is that of"):
        store.manifest(manifest(2).id)


def test_a_link_in_a_backup_is_not_followed(tmp_path: Path) -> None:
    """A file that became a link gives nothing out."""
    store = DirectoryStore(tmp_path / "masking")
    publish(store, manifest())
    kept = tmp_path / "masking" / manifest().id / "redis.rdb"
    kept.unlink()
    (tmp_path / "secret").write_text("hunter2")
    kept.symlink_to(tmp_path / "secret")

    with pytest.raises(RecoveryRefused, match="has no file"):
        store.fetch(manifest().id, "redis.rdb", tmp_path / "copy")


def test_a_bucket_without_versions_is_refused(backup_account: AwsAccount) -> None:
    """Where an overwritten backup is gone for good, none is kept."""
    backup_account.client("s3").create_bucket(Bucket="careless")

    with pytest.raises(RecoveryRefused, match="keeps no versions"):
        BucketStore(backup_account, "careless", "backups/masking")


def test_a_bucket_that_died_half_way_has_no_backup(backup_account: AwsAccount) -> None:
    """Files without a manifest do not count, and staging leaves nothing on this host."""
    store = BucketStore(backup_account, BUCKET, "backups/masking")
    backup_account.client("s3").put_object(
        Bucket=BUCKET, Key=f"backups/masking/{manifest().id}/redis.rdb", Body=CONTENT
    )

    assert store.ids() == []
    publish(store, manifest(7))
    assert store.ids() == [manifest(7).id]
    assert list((settings().home / "staging").iterdir()) == []
    assert backup_account.client("s3").head_object(
        Bucket=BUCKET, Key=f"backups/masking/{manifest(7).id}/{MANIFEST}"
    )
