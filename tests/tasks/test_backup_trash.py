"""The trash of a folder and of a bucket: away, back, and for good, killed at any point."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.aws_account import AwsAccount
from rules.backups import MANIFEST
from rules.errors import RecoveryRefused, StepFailed
from tasks._backup_bucket import BucketStore
from tasks._backup_directory import DirectoryStore
from tasks.backup_stores import Store
from tests.stored_backups import BUCKET, CONTENT, manifest, publish


def test_the_trash_hides_and_gives_back(store: Store, tmp_path: Path) -> None:
    """In the trash nothing lists or reads a backup; taken back it is as it was; twice changes nothing."""
    for second in (1, 2):
        publish(store, manifest(second))
    backup = manifest(1).id

    assert (store.put_away(backup), store.put_away(backup)) == (True, False)
    assert (store.ids(), store.trash()) == ([manifest(2).id], [backup])
    assert store.manifest(backup, in_trash=True) == manifest(1)
    with pytest.raises(RecoveryRefused, match="There is no backup"):
        store.manifest(backup)
    with pytest.raises(RecoveryRefused, match="There is no backup"):
        store.fetch(backup, "redis.rdb", tmp_path / "copy")

    assert (store.take_back(backup), store.take_back(backup)) == (True, False)
    assert (store.ids(), store.trash()) == ([manifest(2).id, backup], [])
    store.fetch(backup, "redis.rdb", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_only_what_is_in_the_trash_is_deleted(store: Store) -> None:
    """For good, with its notes, and nothing beside it; what is not in the trash stays, whoever asks."""
    for second in (1, 2):
        publish(store, manifest(second))
        store.note(manifest(second).id, b"proven")
    store.note(manifest(2).id, b"failed")

    assert not store.delete(manifest(1).id)
    assert store.ids() == [manifest(2).id, manifest(1).id]
    store.put_away(manifest(1).id)
    assert (store.delete(manifest(1).id), store.delete(manifest(1).id)) == (True, False)

    assert (store.ids(), store.trash(), store.finish_deletions()) == ([manifest(2).id], [], 0)
    assert store.notes() == {manifest(2).id: b"failed"}
    assert not store.take_back(manifest(1).id)


@pytest.mark.parametrize("name", ["../masking/20260729-143000-deploy-3fa2", "/etc", "..", ""])
def test_no_name_moves_or_deletes_anything_outside(store: Store, name: str) -> None:
    """A name that is none is refused before anything is looked at."""
    publish(store, manifest())

    for act in (store.put_away, store.take_back, store.delete):
        with pytest.raises(RecoveryRefused, match="cannot be the name"):
            act(name)
    with pytest.raises(RecoveryRefused, match="cannot be the name"):
        store.note(name, b"")


def test_what_others_put_beside_the_backups_is_none(tmp_path: Path) -> None:
    """A folder with a manifest of its own, but not a backup's name, is neither listed nor in the way."""
    store = DirectoryStore(tmp_path / "masking")
    publish(store, manifest())
    for name in ("2026-notes", "20261399-143022-deploy-3fa2"):
        (tmp_path / "masking" / name).mkdir()
        (tmp_path / "masking" / name / MANIFEST).write_text("{}")

    assert store.ids() == [manifest().id]


def test_a_half_deleted_folder_is_finished_and_never_taken_back(tmp_path: Path) -> None:
    """Killed in the middle of removing files, the rest goes with the next look."""
    store = DirectoryStore(tmp_path / "masking")
    publish(store, manifest())
    store.put_away(manifest().id)
    (tmp_path / "masking" / ".deleted").mkdir()
    (tmp_path / "masking" / ".trash" / manifest().id).rename(
        tmp_path / "masking" / ".deleted" / manifest().id
    )
    (tmp_path / "masking" / ".deleted" / manifest().id / MANIFEST).unlink()

    assert not store.take_back(manifest().id)
    assert store.trash() == []
    assert (store.finish_deletions(), store.finish_deletions()) == (1, 0)
    assert not (tmp_path / "masking" / ".deleted" / manifest().id).exists()


def versions(backup_account: AwsAccount) -> list[str]:
    """The key of every version and every mark of deletion in the bucket."""
    found = backup_account.client("s3").list_object_versions(Bucket=BUCKET)
    return [each["Key"] for each in (*found.get("Versions", []), *found.get("DeleteMarkers", []))]


def test_a_half_deleted_bucket_is_finished_and_never_taken_back(backup_account: AwsAccount) -> None:
    """Killed after its manifest went, every version of the rest goes with the next look: nothing is paid for twice."""
    store = BucketStore(backup_account, BUCKET, "backups/masking")
    publish(store, manifest())
    store.put_away(manifest().id)
    store._objects.erase(f"backups/masking/{manifest().id}/{MANIFEST}")

    assert not store.take_back(manifest().id)
    assert (store.ids(), store.trash()) == ([], [])
    assert (store.finish_deletions(), store.finish_deletions()) == (1, 0)
    assert versions(backup_account) == []


def test_a_version_that_is_locked_is_said(
    backup_account: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a version may not be deleted the backup is not half forgotten: one error, and it is tried again."""
    store = BucketStore(backup_account, BUCKET, "backups/masking")
    publish(store, manifest())
    store.put_away(manifest().id)
    refused = {"Errors": [{"Key": "manifest.json", "Code": "AccessDenied", "Message": "Access Denied"}]}
    with monkeypatch.context() as locked:
        locked.setattr(store._objects.s3, "delete_objects", lambda **_words: refused)
        with pytest.raises(StepFailed, match="cannot be deleted: Access Denied"):
            store.delete(manifest().id)

    assert store.trash() == [manifest().id]
    assert store.delete(manifest().id)
    assert versions(backup_account) == []
