"""Reading from a request which AWS call it is."""

from __future__ import annotations

import pytest

from sandbox import aws_wire


@pytest.mark.parametrize(
    ("path", "environment"),
    [
        ("/2015-03-31/functions/prod-sentiment-dashboard/code", "prod"),
        ("/2015-03-31/functions/preprod-sentiment-dashboard/aliases/live", "preprod"),
        ("/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:prod-sentiment-analysis", "prod"),
        ("/2017-03-31/tags/arn:aws:lambda:us-east-1:123456789012:function:preprod-sentiment-x", "preprod"),
        ("/2015-03-31/functions", ""),
    ],
)
def test_whose_function_a_call_changes_is_in_its_path(path: str, environment: str) -> None:
    """An environment's alarms are looked at more often after a change of its own functions, not of another's."""
    assert aws_wire.environment_of({"PATH_INFO": path}) == environment
