"""Errors of the Redis client become ours, once, where a client is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rules.errors import StepFailed, TransientFailure


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run Redis commands; `doing` says in the error what they were for («count the keys»).

    Raises:
        TransientFailure: nobody listens, no answer in time, or it is still loading its data.
        StepFailed: a wrong password, a command that is not allowed, or one that Redis refused.
    """
    from redis import exceptions

    try:
        yield
    except exceptions.AuthenticationError as error:
        raise StepFailed(
            f"Could not {doing}: Redis refuses the password.",
            hint="Correct what the platform's `redis.password` refers to.",
        ) from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise TransientFailure(
            f"Could not {doing}: {_one_line(error)}", hint="Redis did not answer; it is tried again."
        ) from error
    except exceptions.RedisError as error:
        raise StepFailed(f"Could not {doing}: Redis answered {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
