"""Backups in a bucket that keeps versions: an object a file, the manifest last."""

from __future__ import annotations

import base64
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from blocks.aws_account import AwsAccount
from blocks.aws_errors import NotThere, translated
from blocks.settings import settings
from rules.backups import MANIFEST, BackupManifest, backup_id
from rules.errors import RecoveryRefused, StepFailed
from tasks._backup_files import written

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class BucketStore:
    """A part of a bucket."""

    def __init__(self, account: AwsAccount, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self._s3: S3Client = account.client("s3")
        with translated(f"look at the bucket {bucket}"):
            versions = self._s3.get_bucket_versioning(Bucket=bucket).get("Status")
        if versions != "Enabled":
            raise RecoveryRefused(
                f"The bucket {bucket} keeps no versions: whoever overwrites a backup destroys it.",
                hint="Switch versioning on: aws s3api put-bucket-versioning.",
            )

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder on this host, for one backup."""
        home = settings().home / "staging"
        with written("begin a backup", home):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(prefix="backup-", dir=home)
        with folder as path:
            yield Path(path)

    def publish(self, folder: Path, manifest: BackupManifest) -> None:
        """S3 checks every object against its hash; a backup is there once its manifest is."""
        with translated(f"store the backup {manifest.id}"):
            if self._exists(self._key(manifest.id, MANIFEST)):
                raise StepFailed(f"There is a backup {manifest.id} already.")
            for file in manifest.files:
                with (folder / file.name).open("rb") as content:
                    self._s3.put_object(
                        Bucket=self.bucket,
                        Key=self._key(manifest.id, file.name),
                        Body=content,
                        ChecksumSHA256=base64.b64encode(bytes.fromhex(file.sha256)).decode(),
                    )
            self._s3.put_object(
                Bucket=self.bucket,
                Key=self._key(manifest.id, MANIFEST),
                Body=manifest.model_dump_json(indent=1).encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )

    def ids(self) -> list[str]:
        """The names of all whole backups, newest first."""
        found = []
        with translated(f"list the backups in {self.bucket}"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}/"
            ):
                keys = [str(each["Key"]) for each in page.get("Contents", [])]
                found += [key.split("/")[-2] for key in keys if key.endswith(f"/{MANIFEST}")]
        return sorted(found, reverse=True)

    def manifest(self, backup: str) -> BackupManifest:
        """A backup's manifest."""
        key = self._key(backup_id(backup), MANIFEST)
        try:
            with translated(f"read the manifest of the backup {backup}"):
                body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            found = BackupManifest.model_validate_json(body)
        except NotThere as error:
            raise RecoveryRefused(
                f"There is no backup {backup} in {self.bucket}.", hint="`backstop backup --list` shows them."
            ) from error
        except ValidationError as error:
            raise RecoveryRefused(f"The manifest of the backup {backup} cannot be read.") from error
        if found.id != backup:
            raise RecoveryRefused(f"The manifest of the backup {backup} is that of {found.id}.")
        return found

    def fetch(self, backup: str, name: str, target: Path) -> None:
        """Copy an object into a file."""
        key = self._key(backup_id(backup), self.manifest(backup).file(name).name)
        with translated(f"read {name} of the backup {backup}"), written(f"copy {name}", target.parent):
            self._s3.download_file(self.bucket, key, str(target))

    def _key(self, backup: str, name: str) -> str:
        return f"{self.prefix}/{backup}/{name}"

    def _exists(self, key: str) -> bool:
        try:
            with translated(f"look for {key}"):
                self._s3.head_object(Bucket=self.bucket, Key=key)
        except NotThere:
            return False
        return True
