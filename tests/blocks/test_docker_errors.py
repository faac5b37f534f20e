"""What the Docker engine answers becomes an error that says whether another try helps."""

from __future__ import annotations

import pytest
import requests
from docker.errors import APIError

from blocks.docker_errors import translated
from rules.errors import StepFailed, TransientFailure


@pytest.mark.parametrize(
    ("status", "said", "again"),
    [
        (503, "starting", True),
        (500, "error while mounting volume '/data': get redis-data: database not open", True),
        (500, "grpc: the client connection is closing", True),
        (500, "error creating overlay mount to /data/overlay2/1/merged: invalid argument", True),
        (500, "no space left on device", False),
        (409, "Conflict: the container name is already in use by container 12", False),
    ],
)
def test_another_try_is_for_an_engine_that_starts_or_stops(status: int, said: str, again: bool) -> None:
    """One that is just stopping still answers, with errors that are none of the step's."""
    response = requests.Response()
    response.status_code = status

    with pytest.raises(StepFailed if not again else TransientFailure) as raised, translated("start redis"):
        raise APIError(said, response=response, explanation=said)

    assert isinstance(raised.value, TransientFailure) is again
    assert raised.value.message == f"Could not start redis: {said}"
