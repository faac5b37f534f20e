"""The sandbox as a whole: it comes up, deploys, breaks, goes back and leaves nothing behind."""

from __future__ import annotations

import pytest

from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_the_bad_release_really_fails(fresh_sandbox: Sandbox) -> None:
    """Deploying release 3 with Terraform fails the dashboard's health and turns its alarm and the service's on."""
    fresh_sandbox.deploy("prod", 3)

    fresh_sandbox.wait_for(
        lambda: fresh_sandbox.alarm_states("prod")["prod-sentiment-service"] == "ALARM", "the alarm fires"
    )

    assert fresh_sandbox.alarm_states("prod") == {
        "prod-sentiment-ingestion-errors": "OK",
        "prod-sentiment-analysis-errors": "OK",
        "prod-sentiment-dashboard-errors": "ALARM",
        "prod-sentiment-service": "ALARM",
    }
