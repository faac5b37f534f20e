"""The objects of a bucket that keeps versions: there, written, listed, and erased with every version."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.aws_account import AwsAccount
from blocks.aws_errors import NotThere, translated
from rules.errors import RecoveryRefused, StepFailed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

LARGE = 64 << 20
"""Bytes of a file that is uploaded in parts: S3 takes 5 GB at once at most, and a part can be tried again."""

KILLED = timedelta(days=1)
"""What has not gone on for so long, by S3's own clock, was killed."""


class Objects:
    """A bucket.

    Raises:
        RecoveryRefused: it keeps no versions.
    """

    def __init__(self, account: AwsAccount, bucket: str) -> None:
        self.bucket = bucket
        self.s3: S3Client = account.client("s3")
        with translated(f"look at the bucket {bucket}"):
            versions = self.s3.get_bucket_versioning(Bucket=bucket).get("Status")
        if versions != "Enabled":
            raise RecoveryRefused(
                f"The bucket {bucket} keeps no versions: whoever overwrites a backup destroys it.",
                hint="Switch versioning on: aws s3api put-bucket-versioning.",
            )

    def exists(self, key: str) -> bool:
        """Whether there is such an object, not deleted."""
        try:
            with translated(f"look for {key}"):
                self.s3.head_object(Bucket=self.bucket, Key=key)
        except NotThere:
            return False
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin so."""
        with translated(f"list {prefix} in {self.bucket}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                yield from (str(each["Key"]) for each in page.get("Contents", []))

    def ages(self, prefix: str) -> Iterator[tuple[str, timedelta]]:
        """The keys that begin so, and how long ago each was written by S3's own clock."""
        with translated(f"list {prefix} in {self.bucket}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                yield from (
                    (str(each["Key"]), now - each["LastModified"]) for each in page.get("Contents", [])
                )

    def was_there(self, key: str) -> bool:
        """Whether there is a version of such an object, deleted or not."""
        with translated(f"look for versions of {key}"):
            told = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        return bool(told.get("Versions") or told.get("DeleteMarkers"))

    def get(self, key: str) -> bytes:
        """A small object's content."""
        with translated(f"read {key}"):
            return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key: str, content: bytes) -> None:
        """Write a small object; it is there whole or not at all."""
        with translated(f"write {key}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def upload(self, key: str, file: Path, sha256: str) -> None:
        """Write a file of any size. S3 checks what arrives: a small file's own hash, a large one's part by part.

        When a part fails, those that are there are taken away again.
        """
        with translated(f"write {key}"), file.open("rb") as content:
            if file.stat().st_size <= LARGE:
                told = base64.b64encode(bytes.fromhex(sha256)).decode()
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, ChecksumSHA256=told)
            else:
                self.s3.upload_fileobj(content, self.bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})

    def end_uploads(self, prefix: str) -> None:
        """Take away the parts of uploads that were killed: what has gone on for a day by S3's own clock."""
        with translated(f"look for unfinished uploads of {prefix}"):
            for page in self.s3.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=prefix
            ):
                now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                for each in page.get("Uploads", []):
                    if now - each["Initiated"] > KILLED:
                        self.s3.abort_multipart_upload(
                            Bucket=self.bucket, Key=each["Key"], UploadId=each["UploadId"]
                        )

    def erase(self, prefix: str) -> None:
        """Delete every version of every object whose key begins so: a mark of deletion alone would free nothing.

        Raises:
            StepFailed: a version may not be deleted.
        """
        with translated(f"delete {prefix} in {self.bucket}"):
            pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
            for page in pages:
                found: list[ObjectIdentifierTypeDef] = [
                    {"Key": str(each["Key"]), "VersionId": str(each["VersionId"])}
                    for each in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
                ]
                if found:
                    self._delete(found)

    def _delete(self, found: list[ObjectIdentifierTypeDef]) -> None:
        told = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": found, "Quiet": True})
        for error in told.get("Errors", []):
            raise StepFailed(
                f"{error.get('Key')} cannot be deleted: {error.get('Message')}.",
                hint="May Backstop's user delete versions, and does the bucket lock them?",
            )
