"""The packages of releases in their bucket: which there are, and whether their bytes are what they should be."""

from __future__ import annotations

import base64
import hashlib
import re

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import NoWayBack
from rules.names import release_name
from rules.values import Frozen
from tasks.kinds import probe

_CHUNK = 1 << 20


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
    platform = environment.platform
    key = platform.package_location(platform.function(function), release_name(release))
    s3 = environment.account.client("s3")
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
    body = environment.account.client("s3").get_object(Bucket=environment.platform.artifact_bucket, Key=key)[
        "Body"
    ]
    for chunk in body.iter_chunks(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@probe
def list_packages(environment: Environment, function: str) -> list[str]:
    """The releases a function has a package of, by name; there may be thousands.

    Permissions: s3:ListBucket
    """
    platform = environment.platform
    location = platform.package_location(platform.function(function), "{release}")
    before, _, after = location.partition("{release}")
    fits = re.compile(re.escape(before) + r"([A-Za-z0-9][A-Za-z0-9._-]{0,79})" + re.escape(after))
    found = []
    with translated(f"list the packages in {platform.artifact_bucket}"):
        pages = environment.account.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=platform.artifact_bucket, Prefix=before):
            found += [
                match.group(1) for item in page.get("Contents", ()) if (match := fits.fullmatch(item["Key"]))
            ]
    return found


def is_still(environment: Environment, package: Package) -> bool:
    """Whether the bucket still holds exactly the bytes that were hashed; one light call."""
    s3 = environment.account.client("s3")
    try:
        with translated(f"look at the package {package.key} again"):
            return s3.head_object(Bucket=package.bucket, Key=package.key)["ETag"] == package.etag
    except NotThere:
        return False
