"""Errors of the AWS SDK become ours, once, where a client is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rules.aws_answers import Meaning, meaning, missing_permission
from rules.errors import StepFailed, TransientFailure


class NotThere(StepFailed):
    """Raised when AWS answers that the thing asked for does not exist."""


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run SDK calls; `doing` says in the error what they were for («read the code of prod-x»).

    Raises:
        TransientFailure: throttling, 5xx, a timeout, a lost connection, an update already in progress.
        NotThere: the thing does not exist.
        StepFailed: not allowed (the hint names the permission), no credentials, or a wrong call.
    """
    from botocore import exceptions, parsers

    try:
        yield
    except exceptions.ClientError as error:
        raise _from_answer(doing, error) from error
    except (
        exceptions.HTTPClientError,  # time limits, proxies, closed connections
        exceptions.ConnectionError,  # nobody listens
        exceptions.IncompleteReadError,
        exceptions.ResponseStreamingError,
        parsers.ResponseParserError,  # some services' 5xx pages cannot be parsed
    ) as error:
        raise TransientFailure(
            f"Could not {doing}: {_one_line(error)}",
            hint="AWS or the network did not answer; it is tried again.",
        ) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.ProfileNotFound,
        exceptions.CredentialRetrievalError,
        exceptions.SSOTokenLoadError,
    ) as error:
        raise StepFailed(
            f"Could not {doing}: {_one_line(error)}",
            hint="Give this host an instance role, AWS_PROFILE, or the account block's `profile`.",
        ) from error


def _from_answer(doing: str, error: Exception) -> StepFailed:
    answer = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    message = str(answer.get("Error", {}).get("Message", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
    operation = str(getattr(error, "operation_name", ""))
    told = f"Could not {doing}: {operation} answered {code or status}" + (f", {message}" if message else "")
    match meaning(code, status, message):
        case Meaning.TRANSIENT:
            return TransientFailure(told, hint="AWS was busy or unavailable; it is tried again.")
        case Meaning.FORBIDDEN:
            lacking = missing_permission(operation, message)
            return StepFailed(
                told, hint=f"Allow {lacking} to the role Backstop runs as, or renew its credentials."
            )
        case Meaning.MISSING:
            return NotThere(
                told, hint="Check the name, the region and the account in the environment's file."
            )
        case _:
            return StepFailed(told, hint="The request itself was refused; another try would not help.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
