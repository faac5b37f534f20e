"""Functions: what their callers get, and how that is changed."""

from __future__ import annotations

import boto3
import pytest

from ledger.cases import Case
from rules.errors import RecoveryRefused, StepFailed
from tasks.lambdas import live_code, move_alias, set_function_code
from tasks.release_packages import package_of
from tests.tasks.lambda_service import ALIASED, BUCKET, PLAIN, REGION, Service


def test_live_code_is_what_callers_get(service: Service) -> None:
    """Publishing new code moves nothing for the callers of an alias: the live code is still the old."""
    client = boto3.client("lambda", REGION)
    client.update_function_code(
        FunctionName=ALIASED, S3Bucket=BUCKET, S3Key="dashboard/lambda-good.zip", Publish=True
    )

    seen = live_code.fn(service.environment, ALIASED)

    assert seen.sha256 == service.hash_of("dashboard", "bad")
    assert seen.version == "1"


def test_a_split_alias_is_seen(service: Service) -> None:
    """Part of the calls on another version is part of what callers get."""
    client = boto3.client("lambda", REGION)
    client.update_function_code(
        FunctionName=ALIASED, S3Bucket=BUCKET, S3Key="dashboard/lambda-good.zip", Publish=True
    )
    client.update_alias(
        FunctionName=ALIASED,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}},
    )

    assert live_code.fn(service.environment, ALIASED).also == {"2": 0.1}


def test_code_is_set_once(service: Service, acting: Case) -> None:
    """The first time changes the function, the second finds it done."""
    package = package_of.fn(service.environment, PLAIN, "good")

    effects = [set_function_code(service.environment, PLAIN, package) for _ in range(2)]

    assert [effect.changed for effect in effects] == [True, False]
    assert service.live(PLAIN) == service.hash_of("ingestion", "good")


def test_an_alias_is_moved_once_and_takes_all_calls(service: Service, acting: Case) -> None:
    """It points at a version with the package's code afterwards, with no share left elsewhere."""
    package = package_of.fn(service.environment, ALIASED, "good")
    set_function_code(service.environment, ALIASED, package)
    client = boto3.client("lambda", REGION)
    client.publish_version(FunctionName=ALIASED)
    client.update_alias(
        FunctionName=ALIASED,
        Name="live",
        FunctionVersion="2",
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}},
    )

    effects = [move_alias(service.environment, ALIASED, package) for _ in range(2)]

    assert [effect.changed for effect in effects] == [True, False]
    assert service.live(ALIASED, "live") == service.hash_of("dashboard", "good")
    assert not live_code.fn(service.environment, ALIASED).also


def test_a_function_without_an_alias_needs_no_move(service: Service, acting: Case) -> None:
    """Its callers get the code at once."""
    package = package_of.fn(service.environment, PLAIN, "good")

    assert not move_alias(service.environment, PLAIN, package).changed


@pytest.mark.parametrize("tampering", ["deleted", "replaced"])
def test_a_package_that_is_not_the_checked_one_is_not_deployed(
    service: Service, acting: Case, tampering: str
) -> None:
    """Deleted or replaced since the plan was made: the function is left alone. The stand-in would take both."""
    package = package_of.fn(service.environment, PLAIN, "good")
    s3 = boto3.client("s3", REGION)
    if tampering == "deleted":
        s3.delete_object(Bucket=BUCKET, Key=package.key)
    else:
        s3.put_object(Bucket=BUCKET, Key=package.key, Body=b"something else")

    with pytest.raises(StepFailed, match="left alone"):
        set_function_code(service.environment, PLAIN, package)

    assert service.live(PLAIN) == service.hash_of("ingestion", "bad")


def test_nothing_is_changed_outside_an_incident(service: Service) -> None:
    """An action needs an incident that may act."""
    package = package_of.fn(service.environment, PLAIN, "good")

    with pytest.raises(RecoveryRefused):
        set_function_code(service.environment, PLAIN, package)

    assert service.live(PLAIN) == service.hash_of("ingestion", "bad")
