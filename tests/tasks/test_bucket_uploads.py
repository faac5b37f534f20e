"""Large files reach a bucket in parts, checked, and leave no parts behind when they fail."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError

from blocks.aws_account import AwsAccount
from rules.backups import MANIFEST
from rules.errors import TransientFailure
from tasks import _backup_bucket, _bucket_objects
from tasks._backup_bucket import BucketStore
from tasks._bucket_objects import Objects
from tests.stored_backups import BUCKET, manifest, publish

SIZE = 17 << 20
KEY = "backups/masking/redis.rdb"


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of three parts."""
    monkeypatch.setattr(_bucket_objects, "LARGE", 5 << 20)
    file = tmp_path / "redis.rdb"
    file.write_bytes(os.urandom(SIZE))
    return file


def unfinished(account: AwsAccount) -> list[str]:
    """The keys of uploads that have parts and no end."""
    told = account.client("s3").list_multipart_uploads(Bucket=BUCKET)
    return [each["Key"] for each in told.get("Uploads", [])]


def test_a_large_file_comes_in_parts(backup_account: AwsAccount, large: Path) -> None:
    """Byte for byte, each part with its hash; nothing is left unfinished."""
    sha256 = hashlib.sha256(large.read_bytes()).hexdigest()

    Objects(backup_account, BUCKET).upload(KEY, large, sha256)

    s3 = backup_account.client("s3")
    assert hashlib.sha256(s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()).hexdigest() == sha256
    assert s3.head_object(Bucket=BUCKET, Key=KEY, PartNumber=1)["PartsCount"] == 3
    assert s3.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert unfinished(backup_account) == []


def test_an_upload_that_fails_leaves_no_parts(backup_account: AwsAccount, large: Path) -> None:
    """The connection goes with the second part: one error, no object, and nothing to pay for."""
    objects = Objects(backup_account, BUCKET)

    def cut(params: dict[str, object], **_words: object) -> None:
        if params["PartNumber"] == 2:
            raise ConnectionClosedError(endpoint_url="s3")

    objects.s3.meta.events.register("provide-client-params.s3.UploadPart", cut)
    with pytest.raises(TransientFailure, match="write backups"):
        objects.upload(KEY, large, "")

    assert unfinished(backup_account) == []
    assert not objects.exists(KEY)


def test_parts_of_a_killed_upload_go_a_day_later(
    backup_account: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that goes on is left alone; what lies elsewhere in the bucket too."""
    s3, store = backup_account.client("s3"), BucketStore(backup_account, BUCKET, "backups/masking")
    for key in (KEY, "others/file"):
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)

    with monkeypatch.context() as patch:
        patch.setattr(
            _bucket_objects, "KILLED", timedelta(days=20_000)
        )  # the stand-in's uploads began in 2010
        store.finish_deletions()
    assert sorted(unfinished(backup_account)) == [KEY, "others/file"]
    store.finish_deletions()

    assert unfinished(backup_account) == ["others/file"]


def test_files_of_a_killed_backup_go_a_day_later(
    backup_account: AwsAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never had a manifest. One that is being written, one whose manifest was deleted, and whole ones stay."""
    s3, store = backup_account.client("s3"), BucketStore(backup_account, BUCKET, "backups/masking")
    killed, deleted, whole = manifest(1), manifest(2), manifest(3)
    for each in (deleted, whole):
        publish(store, each)
    s3.delete_object(Bucket=BUCKET, Key=f"backups/masking/{deleted.id}/{MANIFEST}")
    for folder in ("masking", "masking-2"):
        for content in (b"once", b"twice"):
            s3.put_object(Bucket=BUCKET, Key=f"backups/{folder}/{killed.id}/redis.rdb", Body=content)

    def kept() -> set[str]:
        told = s3.list_object_versions(Bucket=BUCKET)
        return {each["Key"].rpartition("/")[0].removeprefix("backups/") for each in told["Versions"]}

    everything = {f"masking/{each.id}" for each in (killed, deleted, whole)} | {f"masking-2/{killed.id}"}
    assert store.finish_deletions() == 0
    assert kept() == everything

    monkeypatch.setattr(_backup_bucket, "KILLED", timedelta(seconds=-10))

    assert store.finish_deletions() == 1
    assert kept() == everything - {f"masking/{killed.id}"}
    assert store.finish_deletions() == 0
    assert store.ids() == [whole.id]
