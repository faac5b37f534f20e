"""Errors of the GitHub client become ours, once, where the client is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rules.errors import StepFailed, TransientFailure

if TYPE_CHECKING:
    from githubkit.exception import RateLimitExceeded, RequestFailed


class NotOnGithub(StepFailed):
    """Raised when GitHub answers that the thing asked for is not there, or not for this token."""


class Conflict(StepFailed):
    """Raised when the thing is in a state that does not allow what was asked (409)."""


class RateLimited(StepFailed):
    """Raised when GitHub wants no more requests for longer than a call may wait: a quick retry would not help."""

    def __init__(self, message: str, *, hint: str = "", retry_after_seconds: float) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run calls of the client; `doing` says in the error what they were for («cancel the run 7 of acme/x»).

    Raises:
        TransientFailure: 5xx, a timeout, a lost connection.
        RateLimited: the primary limit (until its reset) or a secondary one; says for how long.
        NotOnGithub: 404, or 410 where it was there once.
        Conflict: 409.
        StepFailed: wrong or expired token (401), a missing permission (403), a wrong call (422), or an answer that
            GitHub does not document.
    """
    from githubkit import exception
    from pydantic import ValidationError

    try:
        yield
    except exception.RateLimitExceeded as error:
        raise _limited(doing, error) from None
    except exception.RequestFailed as error:
        raise _from_answer(doing, error) from None
    except exception.RequestError as error:
        if isinstance(error.exc, ValueError):
            raise StepFailed(f"Could not {doing}: {_kind(error.exc)}.") from error
        raise TransientFailure(
            f"Could not {doing}: {_kind(error.exc)}.",
            hint="GitHub or the network did not answer; it is tried again.",
        ) from error
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise StepFailed(
            f"Could not {doing}: GitHub's answer is not as documented: {where}: {fault['msg']}.",
            hint="Is the API address right? A newer githubkit may know the answer.",
        ) from None


def _limited(doing: str, error: RateLimitExceeded) -> RateLimited:
    from githubkit.exception import PrimaryRateLimitExceeded

    seconds = error.retry_after.total_seconds()
    if isinstance(error, PrimaryRateLimitExceeded):
        at = datetime.now(UTC) + error.retry_after
        told = f"the token's rate limit is used up until {at:%H:%M:%S} UTC"
        hint = f"In {seconds:.0f} s it may ask again; who else uses this token?"
    else:
        told = "GitHub asked for a pause (secondary rate limit)"
        hint = f"It may ask again in {seconds:.0f} s."
    return RateLimited(f"Could not {doing}: {told}.", hint=hint, retry_after_seconds=seconds)


def _from_answer(doing: str, error: RequestFailed) -> StepFailed:
    answer = error.response
    status, headers = answer.status_code, answer.headers
    told = f"Could not {doing}: GitHub answered {status}, {_message(error)}"
    if status >= 500:
        return TransientFailure(told, hint="GitHub was busy or unavailable; it is tried again.")
    if status == 401:
        return StepFailed(told, hint="The token is wrong, expired or revoked: store a new one.")
    if status == 403:
        wanted = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes")
        lacking = f"It needs {wanted}." if wanted else "Or the organisation requires single sign-on for it."
        return StepFailed(told, hint=f"The token lacks a permission. {lacking}")
    if status in (404, 410):
        return NotOnGithub(told, hint="Check the repository's owner and name, and that the token may see it.")
    if status == 409:
        return Conflict(told, hint="Look at its state on GitHub: it does not allow this now.")
    return StepFailed(told, hint="The request itself was refused; another try would not help.")


def _message(error: RequestFailed) -> str:
    try:
        told = error.response.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    message = " ".join([str(told.get("message", "")), *_details(told.get("errors"))])
    return " ".join(message.split())[:300] or error.response.reason_phrase


def _details(told: object) -> list[str]:
    """What a 422 says beyond «Validation Failed»: which field, or GitHub's own sentence."""
    errors = [error for error in told if isinstance(error, dict)] if isinstance(told, list) else []
    return [
        str(error.get("message") or f"{error.get('field', '?')} is {error.get('code', '?')}")
        for error in errors
    ]


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
