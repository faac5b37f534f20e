"""The packages of releases in their bucket: which there are, and whether their bytes are what they should be."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import NoWayBack
from rules.health import RunningCode
from rules.names import release_name
from rules.values import Frozen
from tasks.kinds import probe

_CHUNK = 1 << 20
_MOST_HASHED = 4


class Package(Frozen):
    """One function's package of a release. `sha256` is of its bytes, hexadecimal; `etag` pins those bytes."""

    function: str
    release: str
    bucket: str
    key: str
    sha256: str
    etag: str
    size: int


@probe
def package_of(environment: Environment, function: str, release: str) -> Package:
    """Find a function's package of a release and hash what it really holds.

    Permissions: s3:GetObject

    Raises:
        NoWayBack: it is not in the bucket, or is empty.
    """
    platform = environment.lambda_platform
    key = platform.package_location(platform.function(function), release_name(release))
    s3 = environment.aws.client("s3")
    try:
        with translated(f"look at the package {key} in {platform.artifact_bucket}"):
            head = s3.head_object(Bucket=platform.artifact_bucket, Key=key, ChecksumMode="ENABLED")
            whole = head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
            stored = head.get("ChecksumSHA256") if whole else None
            sha256 = base64.b64decode(stored).hex() if stored else _hash(environment, key)
    except NotThere as error:
        raise NoWayBack(
            f"The package {key} is not in the bucket {platform.artifact_bucket}.",
            hint="Build and upload that release again, or choose another one.",
        ) from error
    if not head["ContentLength"]:
        raise NoWayBack(f"The package {key} in {platform.artifact_bucket} is empty.", hint="Upload it again.")
    return Package(
        function=function,
        release=release,
        bucket=platform.artifact_bucket,
        key=key,
        sha256=sha256,
        etag=head["ETag"],
        size=head["ContentLength"],
    )


def _hash(environment: Environment, key: str) -> str:
    digest = hashlib.sha256()
    body = environment.aws.client("s3").get_object(
        Bucket=environment.lambda_platform.artifact_bucket, Key=key
    )["Body"]
    for chunk in body.iter_chunks(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


class Listed(Frozen):
    """A package as the bucket's listing tells it."""

    release: str
    size: int
    uploaded: datetime


@probe
def list_packages(environment: Environment, function: str) -> list[Listed]:
    """Every release a function has a package of, the newest upload first; there may be thousands.

    Permissions: s3:ListBucket
    """
    platform = environment.lambda_platform
    location = platform.package_location(platform.function(function), "{release}")
    before, _, after = location.partition("{release}")
    fits = re.compile(re.escape(before) + r"([A-Za-z0-9][A-Za-z0-9._-]{0,79})" + re.escape(after))
    found: list[Listed] = []
    with translated(f"list the packages in {platform.artifact_bucket}"):
        pages = environment.aws.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=platform.artifact_bucket, Prefix=before):
            for item in page.get("Contents", ()):
                named = fits.fullmatch(item["Key"])
                if named:
                    size, uploaded = item["Size"], item["LastModified"]
                    found.append(Listed(release=named.group(1), size=size, uploaded=uploaded))
    return sorted(found, key=lambda package: package.uploaded, reverse=True)


@probe
def release_of(environment: Environment, live: RunningCode) -> str:
    """Which release's package a function runs, found among the packages of the same size; empty: none of them.

    Permissions: s3:ListBucket, s3:GetObject
    """
    same_size = [
        package for package in list_packages.fn(environment, live.function) if package.size == live.size
    ]
    for package in same_size[:_MOST_HASHED]:
        if package_of.fn(environment, live.function, package.release).sha256 == live.sha256:
            return package.release
    return ""


def is_still(environment: Environment, package: Package) -> bool:
    """Whether the bucket still holds exactly the bytes that were hashed; one light call."""
    s3 = environment.aws.client("s3")
    try:
        with translated(f"look at the package {package.key} again"):
            return s3.head_object(Bucket=package.bucket, Key=package.key)["ETag"] == package.etag
    except NotThere:
        return False
