"""What AWS's error answers mean."""

from __future__ import annotations

import pytest

from rules.aws_answers import Meaning, meaning, missing_permission

SEEN = [
    ("ThrottlingException", 400, "", Meaning.TRANSIENT),
    ("RequestLimitExceeded", 503, "", Meaning.TRANSIENT),
    ("TooManyRequestsException", 429, "", Meaning.TRANSIENT),
    ("SlowDown", 503, "", Meaning.TRANSIENT),
    ("500", 500, "", Meaning.TRANSIENT),
    ("ServiceException", 500, "", Meaning.TRANSIENT),
    ("ResourceConflictException", 409, "An update is in progress for resource: x", Meaning.TRANSIENT),
    ("ResourceConflictException", 409, "The function already exists", Meaning.WRONG),
    ("AccessDeniedException", 403, "", Meaning.FORBIDDEN),
    ("403", 403, "Forbidden", Meaning.FORBIDDEN),
    ("ExpiredTokenException", 400, "", Meaning.FORBIDDEN),
    ("ResourceNotFoundException", 404, "", Meaning.MISSING),
    ("NoSuchKey", 404, "", Meaning.MISSING),
    ("404", 404, "Not Found", Meaning.MISSING),
    ("AWS.SimpleQueueService.NonExistentQueue", 400, "", Meaning.MISSING),
    ("InvalidParameterValueException", 400, "", Meaning.WRONG),
    ("LimitExceededException", 400, "", Meaning.WRONG),
]


@pytest.mark.parametrize(
    ("code", "status", "message", "expected"), SEEN, ids=[f"{c}-{s}" for c, s, _, _ in SEEN]
)
def test_an_answer_has_one_meaning(code: str, status: int, message: str, expected: Meaning) -> None:
    """Only throttling, 5xx and «in progress» are worth another try."""
    assert meaning(code, status, message) is expected


def test_the_lacking_permission_is_named() -> None:
    """As the message has it, else by the operation."""
    message = (
        "User: arn:aws:iam::1:user/x is not authorized to perform: lambda:UpdateFunctionCode on resource: y"
    )

    assert missing_permission("UpdateFunctionCode", message) == "lambda:UpdateFunctionCode"
    assert missing_permission("UpdateFunctionCode", "no") == "UpdateFunctionCode"
