"""What an error answer of AWS means: worth another try, forbidden, missing, or wrong."""

from __future__ import annotations

import re
from enum import StrEnum


class Meaning(StrEnum):
    """The four kinds of error answers that callers treat differently."""

    TRANSIENT = "transient"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    WRONG = "wrong"


_THROTTLED = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|Rate ?exceeded|SlowDown|ProvisionedThroughputExceeded"
    r"|BandwidthLimitExceeded|PriorRequestNotComplete|TooManyUpdates|EC2ThrottledException",
    re.IGNORECASE,
)
_BUSY = re.compile(r"update is in progress|operation is in progress|try again", re.IGNORECASE)
_UNAVAILABLE = re.compile(
    r"InternalError|InternalFailure|InternalServerError|ServiceUnavailable|ServiceException|RequestTimeout"
    r"|ServiceFailure|TransactionInProgress",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"AccessDenied|Unauthorized|NotAuthorized|Forbidden|AuthFailure|ExpiredToken|InvalidClientTokenId"
    r"|UnrecognizedClient|SignatureDoesNotMatch|MissingAuthenticationToken|InvalidAccessKeyId|OptInRequired",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"NotFound|NoSuch|DoesNotExist|NonExistent|ResourceNotFoundException|ParameterNotFound", re.IGNORECASE
)
_PERMISSION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)")


def meaning(code: str, status: int, message: str = "") -> Meaning:
    """What an error answer means. `status` is the HTTP status, 0 when unknown.

    Throttling comes first: `RequestLimitExceeded` reads like a quota and is none. Some services answer
    a bare `403` in the place of AccessDenied.
    """
    if _THROTTLED.search(code) or status == 429:
        return Meaning.TRANSIENT
    if _FORBIDDEN.search(code) or status in (401, 403):
        return Meaning.FORBIDDEN
    if _MISSING.search(code) or status == 404:
        return Meaning.MISSING
    if _UNAVAILABLE.search(code) or status >= 500 or (code.isdigit() and int(code) >= 500):
        return Meaning.TRANSIENT
    if _BUSY.search(message):
        return Meaning.TRANSIENT
    return Meaning.WRONG


def missing_permission(operation: str, message: str) -> str:
    """The IAM permission a refused caller lacks, as the message names it, else the operation's name."""
    named = _PERMISSION.search(message)
    return named.group(1) if named else operation
