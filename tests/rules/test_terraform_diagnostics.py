"""Terraform's error texts, as they were seen, and what they mean."""

from __future__ import annotations

import pytest

from rules.errors import StepFailed, TransientFailure
from rules.terraform_diagnostics import Cause, Diagnostic, as_error, deciding, diagnose

SDK = "https response error StatusCode: {}, RequestID: 0, {}"
LOCK = """Error message: operation error DynamoDB: PutItem, https response error StatusCode: 400, RequestID: X,
ConditionalCheckFailedException: The conditional request failed
Lock Info:
  ID:        a90b32d3-1b5a-4d2e-8f0e-0c8f6a1b2c3d
  Path:      tfstate/preprod/terraform.tfstate
  Operation: OperationTypeApply
  Who:       runner@fv-az1
  Version:   1.11.4
  Created:   2026-11-22 05:04:50.522235717 +0000 UTC
  Info:      INC-42 rollback; do not unlock

Terraform acquires a state lock to protect the state from being written by multiple users at the same time."""


def lambda_error(verb: str, status: int, text: str) -> str:
    """A provider's summary of a failed call to Lambda."""
    return f"{verb} Lambda Function (preprod-x): operation error Lambda: UpdateFunctionCode, " + SDK.format(
        status, text
    )


SEEN: list[tuple[str, str, Cause]] = [
    ("Error acquiring the state lock", LOCK, Cause.STATE_LOCK),
    (
        "Error acquiring the state lock",
        (
            "Error message: operation error S3: PutObject, https response error StatusCode: 404, RequestID: , "
            "HostID: , api error NoSuchBucket: The specified bucket does not exist"
        ),
        Cause.API,
    ),
    ('Backend initialization required, please run "terraform init"', "", Cause.NOT_READY),
    ("Required plugins are not installed", "there is no package for hashicorp/aws", Cause.NOT_READY),
    (
        "Saved plan is stale",
        "The given plan file can no longer be applied because the state was changed",
        Cause.STALE_PLAN,
    ),
    (
        "Failed to save state",
        (
            "Error saving state: failed to upload state: operation error S3: PutObject, https response error "
            "StatusCode: 404, RequestID: , HostID: , NoSuchBucket:"
        ),
        Cause.STATE_NOT_SAVED,
    ),
    (
        "Failed to persist state to backend",
        "The error shown above has prevented Terraform from writing",
        Cause.STATE_NOT_SAVED,
    ),
    (
        "Error refreshing state: state data in S3 does not have the expected content.",
        "The checksum",
        Cause.STATE_DIGEST,
    ),
    (
        "creating DynamoDB Table (preprod-sentiment-items): operation error DynamoDB: CreateTable, "
        + SDK.format(400, "ResourceInUseException: Table already exists: preprod-sentiment-items"),
        "",
        Cause.ALREADY_EXISTS,
    ),
    (
        lambda_error("creating", 409, "ResourceConflictException: Function already exist: preprod-x"),
        "",
        Cause.ALREADY_EXISTS,
    ),
    (
        lambda_error(
            "updating",
            409,
            "ResourceConflictException: The operation cannot be performed at this time. "
            "An update is in progress for resource",
        ),
        "",
        Cause.TRANSIENT,
    ),
    (lambda_error("updating", 429, "TooManyRequestsException: Rate exceeded"), "", Cause.THROTTLING),
    (lambda_error("updating", 400, "RequestLimitExceeded: Request limit exceeded."), "", Cause.THROTTLING),
    (
        lambda_error("updating", 400, "CodeStorageExceededException: Code storage limit exceeded."),
        "",
        Cause.QUOTA,
    ),
    (
        lambda_error(
            "updating", 403, "ExpiredTokenException: The security token included in the request is expired"
        ),
        "",
        Cause.AUTH,
    ),
    (
        lambda_error(
            "updating",
            403,
            "AccessDeniedException: User: arn:aws:iam::1:user/x is not authorized to perform: "
            "lambda:UpdateFunctionCode",
        ),
        "",
        Cause.AUTH,
    ),
    (
        "No valid credential sources found",
        "Please see https://www.terraform.io/docs/providers/aws",
        Cause.AUTH,
    ),
    (lambda_error("updating", 503, "ServiceException: internal"), "", Cause.TRANSIENT),
    ('Error: Get "https://x/": net/http: TLS handshake timeout', "", Cause.TRANSIENT),
    ("Failed to load backend", "dial tcp 10.0.0.1:443: connect: connection refused", Cause.TRANSIENT),
    ("execution halted", "", Cause.INTERRUPTED),
    (
        "Resource already managed by Terraform",
        "Terraform is already managing a remote object",
        Cause.ALREADY_MANAGED,
    ),
    ("Unsupported argument", 'An argument named "x" is not expected here.', Cause.CONFIGURATION),
    ("No value for required variable", 'The root module input variable "v" is not set', Cause.CONFIGURATION),
    (lambda_error("updating", 400, "InvalidParameterValueException: Unsupported runtime"), "", Cause.API),
    ("Plugin error", "The plugin returned an unexpected error", Cause.UNKNOWN),
]


@pytest.mark.parametrize(
    ("summary", "detail", "cause"), SEEN, ids=[f"{c.name}-{n}" for n, (_, _, c) in enumerate(SEEN)]
)
def test_a_seen_text_has_its_cause(summary: str, detail: str, cause: Cause) -> None:
    """Texts of the real S3 backend and of providers are told apart."""
    assert diagnose(Diagnostic(summary=summary, detail=detail)).cause is cause


def test_only_what_passes_is_retried() -> None:
    """Throttling, passing faults, an unsaved state and a folder not ready become TransientFailure, others not."""
    passes = (Cause.THROTTLING, Cause.TRANSIENT, Cause.STATE_NOT_SAVED, Cause.NOT_READY)
    for summary, detail, cause in SEEN:
        error = as_error("plan", [diagnose(Diagnostic(summary=summary, detail=detail))])
        assert isinstance(error, TransientFailure) == (cause in passes)
        assert error.hint


def test_a_lock_says_who_holds_it() -> None:
    """The error names holder, time and operation, so that nobody needs to ask Terraform again."""
    found = diagnose(Diagnostic(summary="Error acquiring the state lock", detail=LOCK))

    assert found.lock is not None
    assert (found.lock.id, found.lock.who) == ("a90b32d3-1b5a-4d2e-8f0e-0c8f6a1b2c3d", "runner@fv-az1")
    assert "runner@fv-az1 since 2026-11-22 05:04:50 UTC" in str(as_error("plan", [found]))


def test_an_existing_resource_is_named() -> None:
    """The id that an import needs is read from the message, the address from the diagnostic."""
    found = diagnose(
        Diagnostic(
            summary="creating DynamoDB Table (preprod-sentiment-items): ResourceInUseException: Table already exists",
            address="aws_dynamodb_table.items",
        )
    )

    assert (found.address, found.identifier) == ("aws_dynamodb_table.items", "preprod-sentiment-items")


def test_one_fault_that_stays_outweighs_those_that_pass() -> None:
    """Throttled and forbidden at once: trying again would not help."""
    throttled = diagnose(
        Diagnostic(summary=lambda_error("updating", 429, "TooManyRequestsException: Rate exceeded"))
    )
    forbidden = diagnose(Diagnostic(summary="No valid credential sources found"))

    assert deciding([throttled, forbidden]) == forbidden
    assert not isinstance(as_error("plan", [throttled, forbidden]), TransientFailure)


def test_a_failure_without_words_is_still_an_error() -> None:
    """What was printed last is all there is to tell."""
    error = as_error("plan", [], "Killed")

    assert isinstance(error, StepFailed)
    assert "Killed" in error.message
