"""Packages: which there are, and whether their bytes are what they should be."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from rules.errors import NoWayBack, RecoveryRefused
from tasks.lambdas import live_code
from tasks.release_packages import is_still, list_packages, package_of, release_of
from tests.tasks.lambda_service import ALIASED, BUCKET, PLAIN, REGION, Service, packaged


def test_a_package_is_hashed_by_its_bytes(service: Service) -> None:
    """The hash is of what really lies in the bucket, whatever the key says."""
    assert package_of.fn(service.environment, PLAIN, "good").sha256 == service.hash_of("ingestion", "good")


def test_a_stored_checksum_spares_the_download(service: Service) -> None:
    """Where S3 keeps the SHA-256 of the whole object, it is the same."""
    boto3.client("s3", REGION).put_object(
        Bucket=BUCKET, Key="ingestion/lambda-summed.zip", Body=packaged("summed"), ChecksumAlgorithm="SHA256"
    )
    plain = boto3.client("s3", REGION).put_object(
        Bucket=BUCKET, Key="ingestion/lambda-plain.zip", Body=packaged("summed")
    )

    assert plain
    summed, hashed = (package_of.fn(service.environment, PLAIN, name).sha256 for name in ("summed", "plain"))
    assert summed == hashed


@pytest.mark.parametrize("body", [None, b""])
def test_a_missing_or_empty_package_is_no_way_back(service: Service, body: bytes | None) -> None:
    """Nothing to return to; said before anything is touched."""
    if body is not None:
        boto3.client("s3", REGION).put_object(Bucket=BUCKET, Key="ingestion/lambda-gone.zip", Body=body)

    with pytest.raises(NoWayBack, match="gone"):
        package_of.fn(service.environment, PLAIN, "gone")


def test_a_release_that_climbs_is_refused(service: Service) -> None:
    """The name reaches a key: it is checked first."""
    with pytest.raises(RecoveryRefused):
        package_of.fn(service.environment, PLAIN, "../dashboard/lambda-good")


def test_every_package_is_listed(service: Service) -> None:
    """Over as many pages as there are, the newest upload first; other files are no packages."""
    told = [
        {"Key": f"ingestion/lambda-{name}", "Size": 7, "LastModified": datetime(2026, 1, day, tzinfo=UTC)}
        for name, day in (("old.zip", 1), ("notes.txt", 2), ("new.zip", 3))
    ]
    asked = {"Bucket": BUCKET, "Prefix": "ingestion/lambda-"}
    with Stubber(service.environment.aws.client("s3")) as stub:
        more = {"IsTruncated": True, "NextContinuationToken": "more"}
        stub.add_response("list_objects_v2", {"Contents": told[:2], **more}, asked)
        stub.add_response("list_objects_v2", {"Contents": told[2:]}, {**asked, "ContinuationToken": "more"})

        found = list_packages.fn(service.environment, PLAIN)

    assert [package.release for package in found] == ["new", "old"]


def test_a_running_release_is_recognised_by_its_bytes(service: Service) -> None:
    """A release that broke before anybody recorded it still has a name."""
    assert release_of.fn(service.environment, live_code.fn(service.environment, ALIASED)) == "bad"


def test_a_replaced_package_is_noticed(service: Service) -> None:
    """The light look sees other bytes under the same key."""
    package = package_of.fn(service.environment, PLAIN, "good")

    assert is_still(service.environment, package)
    boto3.client("s3", REGION).put_object(Bucket=BUCKET, Key=package.key, Body=b"else")
    assert not is_still(service.environment, package)
