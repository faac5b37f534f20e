"""Errors of the Docker SDK become ours, once, where a client is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rules.errors import StepFailed, TransientFailure


class Absent(StepFailed):
    """Raised when the engine answers that the container, image, network or volume does not exist."""


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run SDK calls; `doing` says in the error what they were for («read the containers of shop»).

    Raises:
        TransientFailure: the engine does not answer, lost the connection, or is starting or stopping.
        Absent: the thing does not exist.
        StepFailed: not allowed, a conflict (a name or a port is taken), or the engine could not do it.
    """
    import requests
    import urllib3
    from docker import errors

    try:
        yield
    except errors.NotFound as error:
        raise Absent(
            f"Could not {doing}: {_said(error)}", hint="Look with `docker ps -a` on that host."
        ) from error
    except errors.APIError as error:
        unavailable = error.response is not None and error.response.status_code == requests.codes.unavailable
        if unavailable or (error.is_server_error() and any(each in _said(error) for each in _GOING_DOWN)):
            raise TransientFailure(f"Could not {doing}: {_said(error)}", hint=_AGAIN) from error
        raise StepFailed(f"Could not {doing}: {_said(error)}", hint=_hint(_said(error))) from error
    except errors.DockerException as error:
        if _denied(error):
            raise StepFailed(
                f"Could not {doing}: permission denied.",
                hint="Let Backstop's user use that socket: the group `docker`, or root.",
            ) from error
        if isinstance(error.__cause__, errors.APIError):
            raise StepFailed(f"Could not {doing}: {_one_line(error)}") from error
        raise TransientFailure(f"Could not {doing}: {_one_line(error)}", hint=_AGAIN) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
        raise TransientFailure(f"Could not {doing}: {_one_line(error)}", hint=_AGAIN) from error


_AGAIN = (
    "The Docker engine did not answer; it is tried again. `systemctl status docker` on that host tells more."
)


_GOING_DOWN = (
    "database not open",
    "connection is closing",
    "transport is closing",
    "context canceled",
    "containerd.sock",
    "error creating overlay mount",
)
"""In the words of an engine that is just stopping: it has closed what it needs, and still answers."""


def _hint(said: str) -> str:
    if "port is already allocated" in said or "address already in use" in said or "userland proxy" in said:
        return "Another process or container holds that port: `ss -ltnp` and `docker ps` name it."
    if "is already in use by container" in said:
        return "Another container has that name."
    return "The engine refused; another try would not help."


def _denied(error: BaseException) -> bool:
    """Whether a socket could not be opened for want of permission, however deep that is told."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PermissionError) or "Permission denied" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _said(error: Exception) -> str:
    return _one_line(getattr(error, "explanation", None) or error)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:600]
